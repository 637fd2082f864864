-- SQL_REFUSED: reads a Parquet file outside the datasets
SELECT * FROM read_parquet('CANARY/secret.parquet')
