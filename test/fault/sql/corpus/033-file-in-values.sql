-- SQL_REFUSED: hides the reader in VALUES
VALUES ((SELECT max(content) FROM read_text('/etc/passwd')))
