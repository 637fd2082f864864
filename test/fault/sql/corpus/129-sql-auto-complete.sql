-- SQL_REFUSED: completes text from the catalog
SELECT * FROM sql_auto_complete('SEL')
