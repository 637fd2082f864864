-- SQL_REFUSED: hides the reader in a lateral join
SELECT * FROM range(1) t, LATERAL (SELECT * FROM read_text('/etc/passwd'))
