-- SQL_REFUSED: makes a secret that redirects a COPY
CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b', ENDPOINT '127.0.0.1:@PORT@')
