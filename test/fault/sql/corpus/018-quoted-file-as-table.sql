-- SQL_REFUSED: names a file by a quoted identifier
SELECT * FROM "CANARY/secret.parquet"
