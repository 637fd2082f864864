-- SQL_REFUSED: reads a table by its address
SELECT * FROM seq_scan(1)
