-- SQL_REFUSED: writes a directory
EXPORT DATABASE 'CANARY/dump'
