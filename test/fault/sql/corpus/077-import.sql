-- SQL_REFUSED: runs the statements of a directory
IMPORT DATABASE 'CANARY'
