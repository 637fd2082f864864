-- SQL_REFUSED: a PRAGMA with arguments
PRAGMA table_info('t')
