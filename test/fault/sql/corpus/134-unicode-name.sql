-- SQL_REFUSED: a full-width name that folds to the reader is not the reader
SELECT * FROM ｒead_text('/etc/passwd')
