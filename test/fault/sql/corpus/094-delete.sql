-- SQL_REFUSED: deletes rows
DELETE FROM t
