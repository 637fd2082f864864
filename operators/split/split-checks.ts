import { MillraceError, throwProblems } from '../../pipelines/contracts/errors.js';
import { quoteIdentifier, type SqlSession } from '../../pipelines/contracts/sql.js';
import type { SplitSpec } from '../../pipelines/plan/relation.js';
import type { DatasetView } from './read-dataset.js';
import { type Part, parts, type SplitSql } from './split-sql.js';

export type PartRows = Readonly<Record<Part, number>>;

/** A value of a given column that names no part: its rows are left out. */
export interface OtherValue {
  /** null for NULL. */
  readonly value: string | null;
  readonly rows: number;
}

/** The ten most frequent values that name no part; none for other kinds of split. */
export async function otherValues(session: SqlSession, dataset: DatasetView, spec: SplitSpec): Promise<OtherValue[]> {
  if (spec.kind !== 'column') return [];
  const column = `CAST(${quoteIdentifier(spec.column)} AS VARCHAR)`;
  const { rows } = await session.query(
    `SELECT value, n FROM (SELECT ${column} AS value, count(*) AS n FROM ${dataset.scan} GROUP BY ALL)
     WHERE value IS NULL OR value NOT IN ('train', 'validation', 'test') ORDER BY n DESC, value LIMIT 10`,
  );
  return rows.map((row) => ({ value: row['value'] === null ? null : String(row['value']), rows: Number(row['n']) }));
}

/** Rows of each part. */
export async function countParts(session: SqlSession, dataset: DatasetView, split: SplitSql): Promise<PartRows> {
  const { rows } = await session.query(
    `SELECT code, count(*) AS n FROM (SELECT ${split.code} AS code FROM ${dataset.scan}) GROUP BY code`,
  );
  const of = (code: number) => Number(rows.find((row) => Number(row['code']) === code)?.['n'] ?? 0);
  return { train: of(1), validation: of(2), test: of(3) };
}

/**
 * @param needed - the parts that have to hold rows.
 * @throws DATA_EMPTY - a dataset without rows. @throws SPLIT_EMPTY - names the part, its rows and those of the others.
 */
export function checkParts(
  rows: PartRows,
  total: number,
  needed: readonly Part[],
  others: readonly OtherValue[] = [],
): void {
  if (total === 0) {
    throw new MillraceError('DATA_EMPTY', {
      path: 'split',
      expected: 'a dataset with rows',
      received: '0 rows',
      hint: 'Look at the SQL that makes it: a filter or a join may drop them all.',
    });
  }
  const rest = parts.map((part) => `${part} ${rows[part]}`).join(', ');
  const named = others
    .map(({ value, rows: count }) => `${value === null ? 'NULL' : `'${value}'`} (${count} rows)`)
    .join(', ');
  throwProblems(
    needed
      .filter((part) => rows[part] === 0)
      .map(
        (part) =>
          new MillraceError('SPLIT_EMPTY', {
            path: `split.${part}`,
            expected: `at least one row in ${part}`,
            received: `0 of ${total} rows (${rest})${named === '' ? '' : `; the column also holds ${named}`}`,
            hint:
              named === ''
                ? 'Change the fractions, the cuts or the column of the split, or give it more rows.'
                : "Write 'train', 'validation' or 'test' into the column.",
            details: { part, rows },
          }),
      ),
  );
}
