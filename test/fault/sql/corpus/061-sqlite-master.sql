-- SQL_REFUSED: reads the catalog as in SQLite
SELECT * FROM sqlite_master
