-- SQL_REFUSED: reads from S3
SELECT * FROM read_parquet('s3://bucket/x.parquet')
