-- SQL_REFUSED: hides the reader in a CTE
WITH a AS (SELECT * FROM read_text('/etc/passwd')) SELECT * FROM a
