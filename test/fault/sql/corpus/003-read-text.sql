-- SQL_REFUSED: reads any file as text
SELECT content FROM read_text('/etc/passwd')
