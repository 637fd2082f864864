-- SQL_REFUSED: loads native code
LOAD 'CANARY/evil.duckdb_extension'
