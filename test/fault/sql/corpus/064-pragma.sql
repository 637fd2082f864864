-- SQL_REFUSED: a PRAGMA, which DuckDB takes for a SELECT
PRAGMA version
