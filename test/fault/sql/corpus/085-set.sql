-- SQL_REFUSED: changes a setting
SET enable_external_access = true
