-- SQL_REFUSED: hides the reader in ORDER BY
SELECT 1 AS a ORDER BY (SELECT max(content) FROM read_text('/etc/passwd'))
