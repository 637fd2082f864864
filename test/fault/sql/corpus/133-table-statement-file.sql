-- SQL_REFUSED: TABLE with a file
TABLE 'CANARY/secret.csv'
