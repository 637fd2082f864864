-- SQL_INVALID: an open quote that would swallow what follows
SELECT 'a
