-- SQL_REFUSED: connects to a database
SELECT * FROM postgres_scan('host=127.0.0.1 port=@PORT@', 'public', 't')
