-- SQL_REFUSED: hides the reader in a recursive CTE
WITH RECURSIVE a AS (SELECT content FROM read_text('/etc/passwd') UNION ALL SELECT content FROM a WHERE false) SELECT * FROM a
