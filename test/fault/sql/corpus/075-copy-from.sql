-- SQL_REFUSED: reads a file into a table
COPY t FROM 'CANARY/secret.csv'
