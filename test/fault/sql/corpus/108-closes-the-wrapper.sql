-- SQL_INVALID: closes the parentheses that the text is put into
SELECT 1) TO 'CANARY/new.csv'; --
