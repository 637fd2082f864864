-- SQL_INVALID: an open dollar quote
SELECT $a$ text
