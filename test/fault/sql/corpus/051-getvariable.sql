-- SQL_REFUSED: reads a variable of the session
SELECT getvariable('x')
