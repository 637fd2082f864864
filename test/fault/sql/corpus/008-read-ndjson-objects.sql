-- SQL_REFUSED: reads JSON objects
SELECT * FROM read_ndjson_objects('CANARY/secret.json')
