-- SQL_REFUSED: reads a database file
SELECT * FROM read_duckdb('CANARY/x.db')
