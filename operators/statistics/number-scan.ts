import { quoteIdentifier } from '../../pipelines/contracts/sql.js';
import type { Statistic } from '../../pipelines/network/graph.js';
import type { Column } from '../../pipelines/types/column-type.js';
import type { DatasetView } from '../split/read-dataset.js';
import type { SplitSql } from '../split/split-sql.js';
import type { ColumnProblemKind } from './column-problems.js';

export type NumberStatistic = Exclude<Statistic, { kind: 'vocabulary' }>;

export interface NumberRequest {
  readonly column: Column;
  /** May be empty: the column is checked alone. */
  readonly statistics: readonly NumberStatistic[];
}

/** Beyond it a square overflows in the standard deviation. */
const largestMagnitude = '1e150';

/** A condition that rows of the train split must not meet, told by the difference of two counts. */
export interface Check {
  readonly column: string;
  readonly kind: ColumnProblemKind;
  /** Aliases whose counts differ where a row meets it. */
  readonly all: string;
  readonly good: string;
}

/** The SQL of one scan over the train split: what each row gives, and the aggregates over it. */
export class NumberScan {
  readonly checks: Check[] = [];
  readonly results: { readonly alias: string; readonly column: string; readonly statistic: NumberStatistic }[] = [];
  readonly #raw = new Map<string, string>();
  readonly #computed: string[] = [];
  readonly #aggregates: string[] = [];

  constructor(labels: readonly Column[], numbers: readonly NumberRequest[]) {
    labels.forEach((column, index) => {
      const x = this.raw(column.name);
      const present = this.#compute(`label${index}`, column.type.kind === 'string' ? `nullif(${x}, '')` : x);
      this.checks.push({ column: column.name, kind: 'null', all: 'row_position', good: present });
    });
    numbers.forEach((request, index) => {
      this.#addNumber(request, index);
    });
  }

  /** The alias of a raw column. */
  raw(name: string): string {
    const alias = this.#raw.get(name) ?? `raw${this.#raw.size}`;
    this.#raw.set(name, alias);
    return alias;
  }

  /** The rows of the train split, with every alias as a column. */
  rowsSql(dataset: DatasetView, split: SplitSql): string {
    const raws = [...this.#raw].map(([name, alias]) => `${quoteIdentifier(name)} AS ${alias}`);
    const rows = [...raws, `${dataset.position} AS row_position`, `${split.code} AS code`];
    const columns = [...this.#raw.values(), 'row_position', ...this.#computed];
    return `SELECT ${columns.join(', ')} FROM (SELECT ${rows.join(', ')} FROM ${dataset.scan}) WHERE code = 1`;
  }

  /** `count_<alias>` of all that checks compare, and the statistics under the aliases of `results`. */
  aggregates(): string[] {
    const compared = this.checks.flatMap(({ all, good }) => [all, good]);
    const counted = new Set(['row_position', ...this.#raw.values(), ...compared]);
    return [...[...counted].map((alias) => `count(${alias}) AS count_${alias}`), ...this.#aggregates];
  }

  #compute(alias: string, sql: string): string {
    this.#computed.push(`${sql} AS ${alias}`);
    return alias;
  }

  #addNumber({ column, statistics }: NumberRequest, index: number): void {
    const source = this.raw(column.name);
    const rule = numberRule(column);
    const plain = `CAST(${source} AS DOUBLE)`;
    const expression = rule === null ? plain : `CASE WHEN ${rule.sql(source)} THEN ${plain} END`;
    const x = this.#compute(`x${index}`, expression);
    const inputs = { none: x, log1p: x };
    if (rule !== null) this.checks.push({ column: column.name, kind: rule.kind, all: source, good: x });
    if (column.type.kind === 'float64' && statistics.some(isPlainDeviation)) {
      // DuckDB ends the whole statement where a variance overflows.
      const bounds = `-${largestMagnitude}::DOUBLE AND ${largestMagnitude}::DOUBLE`;
      inputs.none = this.#compute(`bounded${index}`, `CASE WHEN ${plain} BETWEEN ${bounds} THEN ${plain} END`);
      this.checks.push({ column: column.name, kind: 'magnitude', all: x, good: inputs.none });
    }
    if (statistics.some((statistic) => 'transform' in statistic && statistic.transform === 'log1p')) {
      const logarithm = `CASE WHEN (${expression}) > -1 THEN ln(CAST(1 AS DOUBLE) + ${plain}) END`;
      inputs.log1p = this.#compute(`log${index}`, logarithm);
      this.checks.push({ column: column.name, kind: 'logarithm', all: x, good: inputs.log1p });
    }
    statistics.forEach((statistic, at) => {
      const alias = `value${index}_${at}`;
      this.results.push({ alias, column: column.name, statistic });
      this.#aggregates.push(`${aggregateSql(statistic, x, inputs)} AS ${alias}`);
    });
  }
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

function aggregateSql(
  statistic: NumberStatistic,
  x: string,
  inputs: { readonly none: string; readonly log1p: string },
): string {
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
