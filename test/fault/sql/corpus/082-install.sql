-- SQL_REFUSED: downloads code
INSTALL httpfs
