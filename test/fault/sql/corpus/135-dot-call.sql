-- SQL_REFUSED: the function after a dot
SELECT a.getenv() FROM (SELECT 'HOME' AS a)
