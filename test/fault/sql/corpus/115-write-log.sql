-- SQL_REFUSED: writes into the log
SELECT write_log('x')
