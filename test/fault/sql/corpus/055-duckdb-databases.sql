-- SQL_REFUSED: lists databases with their passwords
SELECT * FROM duckdb_databases()
