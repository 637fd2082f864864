-- SQL_REFUSED: looks up a secret
SELECT * FROM which_secret('s3://b', 's3')
