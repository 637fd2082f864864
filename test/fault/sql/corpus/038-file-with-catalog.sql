-- SQL_REFUSED: a catalog before the function does not help
SELECT * FROM system.main.read_text('/etc/passwd')
