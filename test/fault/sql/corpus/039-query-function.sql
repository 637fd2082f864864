-- SQL_REFUSED: runs text that was never parsed
SELECT * FROM query('SELECT * FROM read_text(''/etc/passwd'')')
