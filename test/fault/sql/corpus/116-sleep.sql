-- SQL_REFUSED: holds a thread
SELECT sleep_ms(60000)
