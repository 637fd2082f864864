-- SQL_REFUSED: writes a file
COPY (SELECT 1) TO 'CANARY/new.csv'
