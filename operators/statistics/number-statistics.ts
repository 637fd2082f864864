import { MillraceError, throwProblems } from '../../pipelines/contracts/errors.js';
import { quoteIdentifier, type SqlRow, type SqlSession } from '../../pipelines/contracts/sql.js';
import type { Statistic } from '../../pipelines/network/graph.js';
import type { Column } from '../../pipelines/types/column-type.js';
import type { DatasetView } from '../split/read-dataset.js';
import type { SplitSql } from '../split/split-sql.js';
import { type ColumnProblemKind, columnError } from './column-problems.js';

export type NumberStatistic = Exclude<Statistic, { kind: 'vocabulary' }>;

export interface NumberRequest {
  readonly column: Column;
  /** May be empty: the column is checked alone. */
  readonly statistics: readonly NumberStatistic[];
}

export interface NumberResult {
  /** Rows of the train split. */
  readonly rows: number;
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

/** A condition that rows of the train split must not meet, told by the difference of two counts. */
interface Check {
  readonly column: string;
  readonly kind: ColumnProblemKind;
  /** Aliases whose counts differ where a row meets it. */
  readonly all: string;
  readonly good: string;
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
  const needed = new Map<string, string>();
  const computed: string[] = [];
  const checks: Check[] = [];
  const raw = (name: string): string => {
    const known = needed.get(name);
    if (known !== undefined) return known;
    needed.set(name, `raw${needed.size}`);
    return needed.get(name)!;
  };
  const add = (alias: string, sql: string): string => {
    computed.push(`${sql} AS ${alias}`);
    return alias;
  };
  labels.forEach((column, index) => {
    const x = raw(column.name);
    const present = column.type.kind === 'string' ? `nullif(${x}, '')` : x;
    checks.push({ column: column.name, kind: 'null', all: 'row_position', good: add(`label${index}`, present) });
  });
  const results: { readonly alias: string; readonly column: string; readonly statistic: NumberStatistic }[] = [];
  const aggregates: string[] = [];
  const present = new Map<string, string>();
  numbers.forEach(({ column, statistics }, index) => {
    const source = raw(column.name);
    const rule = numberRule(column);
    const plain = `CAST(${source} AS DOUBLE)`;
    const expression = rule === null ? plain : `CASE WHEN ${rule.sql(source)} THEN ${plain} END`;
    const x = add(`x${index}`, expression);
    present.set(column.name, source);
    if (rule !== null) checks.push({ column: column.name, kind: rule.kind, all: source, good: x });
    const uses = (transform: string) => statistics.some((each) => 'transform' in each && each.transform === transform);
    const inputs: Record<string, string> = { none: x };
    if (column.type.kind === 'float64' && statistics.some(isPlainDeviation)) {
      // DuckDB ends the whole statement where a variance overflows.
      const bounds = `-${largestMagnitude}::DOUBLE AND ${largestMagnitude}::DOUBLE`;
      inputs['none'] = add(`bounded${index}`, `CASE WHEN ${plain} BETWEEN ${bounds} THEN ${plain} END`);
      checks.push({ column: column.name, kind: 'magnitude', all: x, good: inputs['none'] });
    }
    if (uses('log1p')) {
      inputs['log1p'] = add(`log${index}`, `CASE WHEN (${expression}) > -1 THEN ln(CAST(1 AS DOUBLE) + ${plain}) END`);
      checks.push({ column: column.name, kind: 'logarithm', all: x, good: inputs['log1p'] });
    }
    statistics.forEach((statistic, at) => {
      const alias = `value${index}_${at}`;
      results.push({ alias, column: column.name, statistic });
      aggregates.push(`${aggregateSql(statistic, x, inputs)} AS ${alias}`);
    });
  });
  const raws = [...needed].map(([name, alias]) => `${quoteIdentifier(name)} AS ${alias}`);
  const rows = `SELECT ${[...raws, `${dataset.position} AS row_position`, `${split.code} AS code`].join(', ')} FROM ${dataset.scan}`;
  const inner = `SELECT ${[...needed.values(), 'row_position', ...computed].join(', ')} FROM (${rows}) WHERE code = 1`;
  const counted = [
    ...new Set([
      'row_position',
      ...needed.values(),
      ...checks.map(({ good }) => good),
      ...checks.map(({ all }) => all),
    ]),
  ];
  const counts = counted.map((alias) => `count(${alias}) AS count_${alias}`);
  const answer = await session.query(`SELECT ${[...counts, ...aggregates].join(', ')} FROM (${inner})`);
  const row = answer.rows[0]!;
  const count = (alias: string) => Number(row[`count_${alias}`]);
  const broken = checks.filter(({ all, good }) => count(all) !== count(good));
  if (broken.length > 0) await throwBroken(session, dataset, inner, broken, count);
  const values = new Map<string, readonly number[]>();
  for (const { alias, column, statistic } of results) {
    const found = finished(statistic, row[alias]);
    if (!found.every(Number.isFinite)) throw overflow(column, statistic);
    values.set(statisticKey(column, statistic), found);
  }
  const missing = [...present].map(([name, source]) => [name, count('row_position') - count(source)] as const);
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

function isPlainDeviation(statistic: NumberStatistic): boolean {
  return statistic.kind === 'standardDeviation' && statistic.transform === 'none';
}

/** What a raw number has to obey; NULL for NULL. */
function numberRule({
  type,
}: Column): { readonly kind: 'finite' | 'exact'; readonly sql: (x: string) => string } | null {
  if (type.kind === 'float32' || type.kind === 'float64') return { kind: 'finite', sql: (x) => `isfinite(${x})` };
  if (type.kind === 'int64' || type.kind === 'uint64')
    return { kind: 'exact', sql: (x) => `${x} BETWEEN ${-(2 ** 53)} AND ${2 ** 53}` };
  return null;
}

function aggregateSql(statistic: NumberStatistic, x: string, inputs: Readonly<Record<string, string>>): string {
  switch (statistic.kind) {
    case 'mean':
      return `favg(${inputs[statistic.transform]})`;
    case 'standardDeviation':
      return `stddev_pop(${inputs[statistic.transform]})`;
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
