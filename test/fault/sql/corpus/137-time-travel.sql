-- SQL_REFUSED: a version clause on a catalog table
SELECT * FROM duckdb_tables AT (VERSION => 1)
