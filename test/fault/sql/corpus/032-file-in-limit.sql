-- SQL_REFUSED: hides the reader in LIMIT
SELECT 1 LIMIT (SELECT count(*) FROM read_text('/etc/passwd'))
