-- SQL_INVALID: an open comment that would swallow what follows
SELECT 1 /* 
