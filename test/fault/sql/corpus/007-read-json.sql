-- SQL_REFUSED: reads a JSON file
SELECT * FROM read_json('CANARY/secret.json')
