-- SQL_REFUSED: a CALL
CALL duckdb_settings()
