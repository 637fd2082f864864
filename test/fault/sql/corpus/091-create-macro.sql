-- SQL_REFUSED: makes a macro over a reader
CREATE MACRO f() AS TABLE SELECT * FROM read_text('/etc/passwd')
