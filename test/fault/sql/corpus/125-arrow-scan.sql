-- SQL_REFUSED: reads memory by its address
SELECT * FROM arrow_scan(1::UBIGINT::POINTER, 2::POINTER, 3::POINTER)
