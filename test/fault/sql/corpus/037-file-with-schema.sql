-- SQL_REFUSED: a schema before the function does not help
SELECT * FROM main.read_text('/etc/passwd')
