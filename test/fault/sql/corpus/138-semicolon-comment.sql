-- SQL_REFUSED: a second statement behind a comment
SELECT 1; -- done
INSTALL httpfs
