-- SQL_REFUSED: names a file beside the process
SELECT * FROM 'package.json'
