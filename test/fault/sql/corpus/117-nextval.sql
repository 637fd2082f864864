-- SQL_REFUSED: changes a sequence
SELECT nextval('s')
