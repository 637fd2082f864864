-- SQL_REFUSED: reads the logs
SELECT * FROM duckdb_logs()
