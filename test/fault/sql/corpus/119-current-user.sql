-- SQL_REFUSED: tells about the machine
SELECT current_user
