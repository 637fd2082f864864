-- SQL_REFUSED: names a file as a table
SELECT * FROM 'CANARY/secret.csv'
