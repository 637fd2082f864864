-- SQL_REFUSED: a SHOW, which DuckDB takes for a SELECT
SHOW ALL TABLES
