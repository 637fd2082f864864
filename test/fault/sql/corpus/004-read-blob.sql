-- SQL_REFUSED: reads any file as bytes
SELECT content FROM read_blob('/etc/shadow')
