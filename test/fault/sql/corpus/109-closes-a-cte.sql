-- SQL_INVALID: closes the WITH step that the text is put into
SELECT 1), x AS (SELECT * FROM read_text('/etc/passwd')) SELECT * FROM x --
