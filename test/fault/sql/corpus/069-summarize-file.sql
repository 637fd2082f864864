-- SQL_REFUSED: a SUMMARIZE of a file
SUMMARIZE 'CANARY/secret.csv'
