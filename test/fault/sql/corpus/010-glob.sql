-- SQL_REFUSED: lists a directory
SELECT file FROM glob('CANARY/*')
