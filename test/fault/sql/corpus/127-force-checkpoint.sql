-- SQL_REFUSED: forces a checkpoint
SELECT * FROM force_checkpoint()
