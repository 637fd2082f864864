-- SQL_REFUSED: runs a serialized statement
SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))
