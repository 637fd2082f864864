-- SQL_REFUSED: tells about the session
SELECT current_database()
