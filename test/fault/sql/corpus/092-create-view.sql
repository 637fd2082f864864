-- SQL_REFUSED: makes a view over a reader
CREATE VIEW v AS SELECT * FROM read_text('/etc/passwd')
