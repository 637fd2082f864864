-- SQL_REFUSED: hides the reader in the second half of a UNION
SELECT 'a' AS content UNION ALL SELECT content FROM read_text('/etc/passwd')
