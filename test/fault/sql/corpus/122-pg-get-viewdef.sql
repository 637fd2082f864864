-- SQL_REFUSED: reads the catalog by a function
SELECT pg_get_viewdef(1)
