-- SQL_REFUSED: asks the catalog by a function
SELECT has_table_privilege('t', 'select')
