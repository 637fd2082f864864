-- SQL_REFUSED: reads the schema of a file
SELECT * FROM parquet_schema('CANARY/secret.parquet')
