-- SQL_REFUSED: probes a file
SELECT * FROM parquet_bloom_probe('CANARY/secret.parquet', 'a', 1)
