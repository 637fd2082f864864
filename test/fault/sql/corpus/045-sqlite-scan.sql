-- SQL_REFUSED: opens a database file
SELECT * FROM sqlite_scan('CANARY/x.db', 't')
