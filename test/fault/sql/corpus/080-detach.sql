-- SQL_REFUSED: detaches a database
DETACH memory
