-- SQL_REFUSED: connects to a database
SELECT * FROM mysql_scan('host=127.0.0.1', 'db', 't')
