-- SQL_REFUSED: FROM first, with a file
FROM 'CANARY/secret.csv'
