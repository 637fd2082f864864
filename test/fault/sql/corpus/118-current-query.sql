-- SQL_REFUSED: reads the text around
SELECT current_query()
