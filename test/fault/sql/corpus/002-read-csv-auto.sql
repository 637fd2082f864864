-- SQL_REFUSED: reads a file by the older name
SELECT * FROM read_csv_auto('CANARY/secret.csv')
