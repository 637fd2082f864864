-- SQL_REFUSED: names a URL as a table
SELECT * FROM 'http://127.0.0.1:@PORT@/x.parquet'
