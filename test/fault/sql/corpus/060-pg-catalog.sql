-- SQL_REFUSED: reads the catalog by its other name
SELECT * FROM pg_catalog.pg_tables
