-- SQL_REFUSED: a system view behind an alias
SELECT t.* FROM duckdb_tables t
