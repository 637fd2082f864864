-- SQL_REFUSED: reads the metadata of a file
SELECT * FROM parquet_kv_metadata('CANARY/secret.parquet')
