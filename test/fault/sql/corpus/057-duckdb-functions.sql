-- SQL_REFUSED: lists functions
SELECT * FROM duckdb_functions()
