-- SQL_REFUSED: drops a table
DROP TABLE t
