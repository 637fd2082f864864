-- SQL_REFUSED: overwrites a file
COPY (SELECT 1) TO 'CANARY/secret.csv'
