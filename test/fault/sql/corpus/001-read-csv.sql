-- SQL_REFUSED: reads a file outside the datasets
SELECT * FROM read_csv('CANARY/secret.csv')
