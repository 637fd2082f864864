-- SQL_REFUSED: adds a key for encrypted files
SELECT add_parquet_key('k', 'v')
