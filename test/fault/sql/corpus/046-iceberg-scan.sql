-- SQL_REFUSED: reads a table from a URL
SELECT * FROM iceberg_scan('http://127.0.0.1:@PORT@/t')
