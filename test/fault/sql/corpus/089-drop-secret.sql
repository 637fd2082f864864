-- SQL_REFUSED: drops a secret
DROP SECRET s
