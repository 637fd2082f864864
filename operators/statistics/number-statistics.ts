import { MillraceError, throwProblems } from '../../pipelines/contracts/errors.js';
import type { SqlRow, SqlSession } from '../../pipelines/contracts/sql.js';
import type { Column } from '../../pipelines/types/column-type.js';
import type { DatasetView } from '../split/read-dataset.js';
import type { SplitSql } from '../split/split-sql.js';
import { columnError } from './column-problems.js';
import { type Check, type NumberRequest, NumberScan, type NumberStatistic } from './number-scan.js';

export interface NumberResult {
  /** Rows of the train split. */
  readonly rows: number;
  /** By column and {@link statisticKey}: a list of one, or of the quantiles. */
  readonly values: ReadonlyMap<string, readonly number[]>;
  /** Rows of the train split without a value, by column. */
  readonly missing: ReadonlyMap<string, number>;
}

export function statisticKey(column: string, statistic: NumberStatistic): string {
  return `${JSON.stringify(statistic)} ${column}`;
}

/**
 * Checks numbers and labels of the train split and computes all its statistics of numbers, in one scan.
 *
 * Mean: compensated (Kahan) sum / count. Standard deviation: Welford's, of the population. Quantiles: type 7.
 * Sums depend on the order of the rows, so the session has one thread, and they come in the dataset's order.
 *
 * The scan counts and aggregates plain columns only: with hundreds of them DuckDB plans FILTER clauses and expressions
 * inside aggregates for minutes. Where rows came is asked once something was found.
 *
 * @param labels - columns that may not be missing.
 * @throws every problem at once: DATA_NOT_FINITE, DATA_OUT_OF_RANGE, DATA_NULL, each with column, count and first row.
 */
export async function numberStatistics(
  session: SqlSession,
  dataset: DatasetView,
  split: SplitSql,
  numbers: readonly NumberRequest[],
  labels: readonly Column[],
): Promise<NumberResult> {
  const scan = new NumberScan(labels, numbers);
  const inner = scan.rowsSql(dataset, split);
  const { rows } = await session.query(`SELECT ${scan.aggregates().join(', ')} FROM (${inner})`);
  const row = rows[0]!;
  const count = (alias: string) => Number(row[`count_${alias}`]);
  const broken = scan.checks.filter(({ all, good }) => count(all) !== count(good));
  if (broken.length > 0) await throwBroken(session, dataset, inner, broken, count);
  const values = new Map<string, readonly number[]>();
  for (const { alias, column, statistic } of scan.results) {
    const found = finished(statistic, row[alias]);
    if (!found.every(Number.isFinite)) throw overflow(column, statistic);
    values.set(statisticKey(column, statistic), found);
  }
  const missing = numbers.map(
    ({ column }) => [column.name, count('row_position') - count(scan.raw(column.name))] as const,
  );
  return { rows: count('row_position'), values, missing: new Map(missing) };
}

function overflow(column: string, statistic: NumberStatistic): MillraceError {
  return new MillraceError('DATA_OUT_OF_RANGE', {
    path: `column ${column}`,
    expected: `numbers whose ${statistic.kind} float64 holds`,
    received: 'an infinite one',
    hint: 'Scale the column in SQL.',
  });
}

async function throwBroken(
  session: SqlSession,
  dataset: DatasetView,
  inner: string,
  broken: readonly Check[],
  count: (alias: string) => number,
): Promise<void> {
  const firsts = broken.map(
    ({ all, good }, index) =>
      `min(CASE WHEN ${all} IS NOT NULL AND ${good} IS NULL THEN row_position END) AS first${index}`,
  );
  const { rows } = await session.query(`SELECT ${firsts.join(', ')} FROM (${inner})`);
  throwProblems(
    broken.map(({ column, kind, all, good }, index) =>
      columnError(
        { column, kind, count: count(all) - count(good), first: Number(rows[0]![`first${index}`]) },
        dataset.rows,
      ),
    ),
  );
}

/** Without a single value: mean and extremes 0, deviation and range 1, edges 0 and 1. */
function finished(statistic: NumberStatistic, cell: SqlRow[string] | undefined): readonly number[] {
  switch (statistic.kind) {
    case 'mean':
    case 'minimum':
    case 'maximum':
      return [cell === null ? 0 : Number(cell)];
    case 'standardDeviation':
    case 'range':
      return [cell === null || Number(cell) === 0 ? 1 : Number(cell)];
    case 'quantiles': {
      const distinct = [
        ...new Set((cell === null ? [0] : (cell as readonly number[])).map((edge) => (edge === 0 ? 0 : Number(edge)))),
      ];
      return distinct.length === 1
        ? [distinct[0]!, distinct[0]! + Math.max(1, Math.abs(distinct[0]!) * 2 ** -20)]
        : distinct;
    }
  }
}
