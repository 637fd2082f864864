-- SQL_REFUSED: lists secrets
SELECT * FROM duckdb_secrets()
