-- SQL_REFUSED: reads the environment
SELECT getenv('HOME')
