-- SQL_REFUSED: reads the catalog
SELECT * FROM information_schema.tables
