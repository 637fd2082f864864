-- SQL_REFUSED: sets a variable
SET VARIABLE x = 1
