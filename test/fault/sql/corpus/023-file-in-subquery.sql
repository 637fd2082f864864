-- SQL_REFUSED: hides the reader in a subquery
SELECT (SELECT max(content) FROM read_text('/etc/passwd')) AS x
