-- SQL_REFUSED: changes the schema
USE system
