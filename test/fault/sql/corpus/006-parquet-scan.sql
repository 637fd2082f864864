-- SQL_REFUSED: reads Parquet by its alias
SELECT * FROM parquet_scan('CANARY/secret.parquet')
