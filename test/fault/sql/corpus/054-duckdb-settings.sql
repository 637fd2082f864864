-- SQL_REFUSED: lists settings
SELECT * FROM duckdb_settings()
