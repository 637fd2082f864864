-- SQL_REFUSED: calls a pragma as a table
SELECT * FROM pragma_database_size()
