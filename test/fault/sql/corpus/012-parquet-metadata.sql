-- SQL_REFUSED: reads the footer of a file
SELECT * FROM parquet_metadata('CANARY/secret.parquet')
