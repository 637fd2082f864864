-- SQL_REFUSED: hides the reader in a lambda
SELECT list_transform([1], x -> (SELECT count(*) FROM read_text('/etc/passwd')))
