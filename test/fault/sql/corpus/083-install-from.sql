-- SQL_REFUSED: downloads code from a URL
INSTALL x FROM 'http://127.0.0.1:@PORT@'
