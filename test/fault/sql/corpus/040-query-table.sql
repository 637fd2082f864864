-- SQL_REFUSED: names a table by a text
SELECT * FROM query_table('CANARY/secret.csv')
