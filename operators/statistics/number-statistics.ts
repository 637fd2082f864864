import { throwProblems } from '../../pipelines/contracts/errors.js';
import { quoteIdentifier, type SqlRow, type SqlSession } from '../../pipelines/contracts/sql.js';
import type { Statistic } from '../../pipelines/network/graph.js';
import type { Column } from '../../pipelines/types/column-type.js';
import type { DatasetView } from '../split/read-dataset.js';
import type { SplitSql } from '../split/split-sql.js';
import { type ColumnProblem, type ColumnProblemKind, columnError } from './column-problems.js';

export type NumberStatistic = Exclude<Statistic, { kind: 'vocabulary' }>;

export interface NumberRequest {
  readonly column: Column;
  /** May be empty: the column is checked alone. */
  readonly statistics: readonly NumberStatistic[];
}

export interface NumberResult {
  readonly rows: { readonly train: number; readonly validation: number; readonly test: number };
  /** By column and {@link statisticKey}: a list of one, or of the quantiles. */
  readonly values: ReadonlyMap<string, readonly number[]>;
  /** Rows of the train split without a value, by column. */
  readonly missing: ReadonlyMap<string, number>;
}

/** Beyond it a square overflows in the standard deviation. */
const largestMagnitude = '1e150';

export function statisticKey(column: string, statistic: NumberStatistic): string {
  return `${JSON.stringify(statistic)} ${column}`;
}

/**
 * Counts the parts, checks numbers and labels of the train split, and computes all its statistics of numbers, in one scan.
 *
 * Mean: compensated (Kahan) sum / count. Standard deviation: Welford's, of the population. Quantiles: type 7.
 * Sums depend on the order of the rows, so the session has one thread, and they come in the dataset's order.
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
  const inner = [`${split.code} AS code`, `${dataset.position} AS position`];
  const outer = ['1', '2', '3'].map((code) => `count(*) FILTER (WHERE code = ${code}) AS part${code}`);
  const checks: { readonly alias: string; readonly column: string; readonly kind: ColumnProblemKind }[] = [];
  const results: { readonly alias: string; readonly column: string; readonly statistic: NumberStatistic }[] = [];
  const check = (column: string, kind: ColumnProblemKind, condition: string) => {
    const alias = `check${checks.length}`;
    checks.push({ alias, column, kind });
    outer.push(
      `count(*) FILTER (WHERE ${condition}) AS ${alias}`,
      `min(position) FILTER (WHERE ${condition}) AS ${alias}first`,
    );
  };
  labels.forEach((column, index) => {
    const name = quoteIdentifier(column.name);
    inner.push(`(${name} IS NULL${column.type.kind === 'string' ? ` OR ${name} = ''` : ''}) AS missing${index}`);
    check(column.name, 'null', `code = 1 AND missing${index}`);
  });
  numbers.forEach(({ column, statistics }, index) => {
    const name = quoteIdentifier(column.name);
    const rule = numberRule(column);
    inner.push(`${name} AS raw${index}`);
    if (rule !== null) check(column.name, rule.kind, `code = 1 AND NOT ${rule.sql(`raw${index}`)}`);
    const value = rule === null ? `code = 1` : `code = 1 AND ${rule.sql(`raw${index}`)}`;
    const x = `CASE WHEN ${value} THEN CAST(raw${index} AS DOUBLE) END`;
    outer.push(`count(*) FILTER (WHERE code = 1 AND raw${index} IS NULL) AS nulls${index}`);
    if (
      statistics.some((statistic) => 'transform' in statistic && statistic.transform === 'none') &&
      column.type.kind.startsWith('float')
    ) {
      check(column.name, 'magnitude', `${x} NOT BETWEEN -${largestMagnitude}::DOUBLE AND ${largestMagnitude}::DOUBLE`);
    }
    if (statistics.some((statistic) => 'transform' in statistic && statistic.transform === 'log1p'))
      check(column.name, 'logarithm', `${x} <= -1`);
    statistics.forEach((statistic, at) => {
      const alias = `value${index}_${at}`;
      results.push({ alias, column: column.name, statistic });
      outer.push(`${aggregateSql(statistic, x)} AS ${alias}`);
    });
  });
  const { rows } = await session.query(
    `SELECT ${outer.join(', ')} FROM (SELECT ${inner.join(', ')} FROM ${dataset.scan})`,
  );
  const row = rows[0]!;
  const counts = { train: Number(row['part1']), validation: Number(row['part2']), test: Number(row['part3']) };
  throwProblems(
    checks
      .flatMap(({ alias, column, kind }) => problemOf(row, alias, column, kind))
      .map((problem) => columnError(problem, dataset.rows)),
  );
  return {
    rows: counts,
    values: new Map(
      results.map(({ alias, column, statistic }) => [statisticKey(column, statistic), finished(statistic, row[alias])]),
    ),
    missing: new Map(numbers.map(({ column }, index) => [column.name, Number(row[`nulls${index}`])])),
  };
}

function problemOf(row: SqlRow, alias: string, column: string, kind: ColumnProblemKind): ColumnProblem[] {
  const count = Number(row[alias]);
  return count === 0 ? [] : [{ column, kind, count, first: Number(row[`${alias}first`]) }];
}

/** What a raw number has to obey; NULL obeys. */
function numberRule({
  type,
}: Column): { readonly kind: 'finite' | 'exact'; readonly sql: (x: string) => string } | null {
  if (type.kind === 'float32' || type.kind === 'float64')
    return { kind: 'finite', sql: (x) => `coalesce(isfinite(${x}), TRUE)` };
  if (type.kind === 'int64' || type.kind === 'uint64')
    return { kind: 'exact', sql: (x) => `coalesce(${x} BETWEEN ${-(2 ** 53)} AND ${2 ** 53}, TRUE)` };
  return null;
}

function aggregateSql(statistic: NumberStatistic, x: string): string {
  switch (statistic.kind) {
    case 'mean':
      return `favg(${transformed(statistic, x)})`;
    case 'standardDeviation':
      return `stddev_pop(${transformed(statistic, bounded(x))})`;
    case 'minimum':
      return `min(${x})`;
    case 'maximum':
      return `max(${x})`;
    case 'range':
      return `max(${x}) - min(${x})`;
    case 'quantiles':
      return `quantile_cont(${x}, [${Array.from({ length: statistic.bins + 1 }, (_, index) => `${index}::DOUBLE / ${statistic.bins}`).join(', ')}])`;
  }
}

/** DuckDB ends the whole statement where a variance overflows; such values are reported by the check beside it. */
function bounded(x: string): string {
  return `CASE WHEN ${x} BETWEEN -${largestMagnitude}::DOUBLE AND ${largestMagnitude}::DOUBLE THEN ${x} END`;
}

function transformed({ transform }: { readonly transform: 'none' | 'log1p' }, x: string): string {
  return transform === 'none' ? x : `CASE WHEN ${x} > -1 THEN ln(CAST(1 AS DOUBLE) + ${x}) END`;
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
