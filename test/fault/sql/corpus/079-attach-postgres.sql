-- SQL_REFUSED: connects to a database
ATTACH 'host=127.0.0.1 port=@PORT@' AS p (TYPE postgres)
