-- SQL_REFUSED: hides the reader in a FILTER
SELECT count(*) FILTER (WHERE 1 = (SELECT count(*) FROM read_text('/etc/passwd'))) FROM range(3)
