-- SQL_REFUSED: hides the reader in EXISTS
SELECT 1 WHERE EXISTS (SELECT 1 FROM read_text('/etc/passwd'))
