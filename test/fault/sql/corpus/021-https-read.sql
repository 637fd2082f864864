-- SQL_REFUSED: reads a URL
SELECT * FROM read_csv('http://127.0.0.1:@PORT@/x.csv')
