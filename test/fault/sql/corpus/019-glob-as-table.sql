-- SQL_REFUSED: names a glob as a table
SELECT * FROM '*.parquet'
