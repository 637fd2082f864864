-- SQL_REFUSED: a table function of tests
SELECT * FROM test_all_types()
