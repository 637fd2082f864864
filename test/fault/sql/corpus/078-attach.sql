-- SQL_REFUSED: opens or creates a database file
ATTACH 'CANARY/new.db' AS x
