-- SQL_REFUSED: resets a setting
RESET allowed_directories
