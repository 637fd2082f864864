-- SQL_REFUSED: starts logging
SELECT * FROM enable_logging()
