-- SQL_REFUSED: lists databases by the view
SELECT * FROM duckdb_databases
