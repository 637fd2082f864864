-- SQL_REFUSED: a transaction
BEGIN
