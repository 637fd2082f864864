-- SQL_REFUSED: sniffs a file
SELECT * FROM sniff_csv('CANARY/secret.csv')
