-- SQL_REFUSED: reads a setting, which may be a secret
SELECT current_setting('s3_secret_access_key')
