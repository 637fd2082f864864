-- SQL_REFUSED: quotes around the function do not help
SELECT * FROM "read_text"('/etc/passwd')
