-- SQL_REFUSED: a PIVOT, which DuckDB rewrites into statements
PIVOT t ON a USING sum(b)
