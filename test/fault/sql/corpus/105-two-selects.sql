-- SQL_REFUSED: two statements
SELECT 1; SELECT 2
