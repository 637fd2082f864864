-- SQL_REFUSED: hides the reader in a window frame
SELECT sum(1) OVER (ORDER BY (SELECT count(*) FROM read_text('/etc/passwd')))
