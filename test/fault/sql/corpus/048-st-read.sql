-- SQL_REFUSED: reads a file by the spatial extension
SELECT * FROM st_read('CANARY/secret.csv')
