-- SQL_REFUSED: tells about storage
SELECT stats(1)
