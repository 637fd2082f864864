-- SQL_REFUSED: changes rows
UPDATE t SET a = 1
