import { MillraceError } from '../../pipelines/contracts/errors.js';

/** What can be wrong with values of a raw column. */
export type ColumnProblemKind =
  | 'finite'
  | 'exact'
  | 'text'
  | 'null'
  | 'unseenClass'
  | 'negativeWeight'
  | 'float32'
  | 'logarithm'
  | 'magnitude';

/** Rows of a column that cannot be trained on. */
export interface ColumnProblem {
  readonly column: string;
  readonly kind: ColumnProblemKind;
  readonly count: number;
  /** Position of the first one in the dataset, from 0. */
  readonly first: number;
}

const wordings: Readonly<
  Record<
    ColumnProblemKind,
    {
      readonly code: 'DATA_NOT_FINITE' | 'DATA_OUT_OF_RANGE' | 'DATA_TYPE' | 'DATA_NULL';
      readonly expected: string;
      readonly what: string;
      readonly hint: string;
    }
  >
> = {
  finite: {
    code: 'DATA_NOT_FINITE',
    expected: 'finite numbers',
    what: 'NaN or infinite',
    hint: 'Filter these rows out, or write NULL where a value is missing.',
  },
  exact: {
    code: 'DATA_OUT_OF_RANGE',
    expected: 'integers from -2^53 to 2^53, which a float holds exactly',
    what: 'beyond that',
    hint: 'Use the column as a category, or scale it in SQL.',
  },
  text: {
    code: 'DATA_TYPE',
    expected: 'text without NUL characters',
    what: 'not so',
    hint: "Take them out in SQL: replace(column, chr(0), '').",
  },
  null: {
    code: 'DATA_NULL',
    expected: 'a value in every row',
    what: 'missing',
    hint: 'Filter these rows out in the SQL that makes the dataset.',
  },
  unseenClass: {
    code: 'DATA_OUT_OF_RANGE',
    expected: 'classes that the train split has',
    what: 'of another class',
    hint: 'Stratify the split by the label, or filter rare classes out.',
  },
  negativeWeight: {
    code: 'DATA_OUT_OF_RANGE',
    expected: 'weights of 0 or more',
    what: 'negative',
    hint: 'Mend them in the SQL that makes the dataset.',
  },
  float32: {
    code: 'DATA_OUT_OF_RANGE',
    expected: 'values whose encoding fits float32',
    what: 'beyond 3.4e38',
    hint: 'Scale the column in SQL, or use standardize().',
  },
  logarithm: {
    code: 'DATA_OUT_OF_RANGE',
    expected: 'numbers above -1, for log1p',
    what: '-1 or less',
    hint: 'Use standardize(), or shift the column in SQL.',
  },
  magnitude: {
    code: 'DATA_OUT_OF_RANGE',
    expected: 'numbers from -1e150 to 1e150, whose squares float64 holds',
    what: 'beyond that',
    hint: 'Scale the column in SQL.',
  },
};

/** `column age: expected finite numbers; received 3 rows of 1000 that are NaN or infinite, first row 17 (from 0). …` */
export function columnError({ column, kind, count, first }: ColumnProblem, rows: number): MillraceError {
  const { code, expected, what, hint } = wordings[kind];
  return new MillraceError(code, {
    path: `column ${column}`,
    expected,
    received: `${count} of ${rows} rows that are ${what}, the first in row ${first} (from 0)`,
    hint,
    details: { column, count, firstRow: first },
  });
}
