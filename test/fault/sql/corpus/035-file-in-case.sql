-- SQL_REFUSED: upper case does not help
SELECT * FROM READ_TEXT('/etc/passwd')
