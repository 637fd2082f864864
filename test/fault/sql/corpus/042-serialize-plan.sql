-- SQL_REFUSED: binds text that was never parsed
SELECT json_serialize_plan('SELECT * FROM read_text(''/etc/passwd'')')
