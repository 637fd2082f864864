import { MillraceError, throwProblems } from '../../pipelines/contracts/errors.js';
import { quoteIdentifier, type SqlSession } from '../../pipelines/contracts/sql.js';
import type { Statistic } from '../../pipelines/network/graph.js';
import type { Column } from '../../pipelines/types/column-type.js';
import type { DatasetView } from '../split/read-dataset.js';
import type { SplitSql } from '../split/split-sql.js';

export interface VocabularyRequest {
  /** Their values are counted together. */
  readonly columns: readonly Column[];
  readonly dtype: 'float64' | 'int64' | 'string';
  readonly statistic: Extract<Statistic, { kind: 'vocabulary' }>;
}

export interface Vocabulary {
  /** As text; ascending. */
  readonly values: readonly string[];
  /** Distinct values of the train split, those left out included. */
  readonly distinct: number;
}

/** DuckDB numbers grouping sets by bits of a BIGINT. */
const columnsPerScan = 60;

const sqlTypes = { float64: 'DOUBLE', int64: 'BIGINT', string: 'VARCHAR' } as const;

/**
 * Counts the values of the train split, all columns in one scan, and keeps those that each request asks for.
 * Counts are exact at any number of threads; missing values (NULL, '') are none.
 *
 * @throws DATA_TYPE - a text with NUL.
 */
export async function vocabularies(
  session: SqlSession,
  dataset: DatasetView,
  split: SplitSql,
  requests: readonly VocabularyRequest[],
): Promise<Vocabulary[]> {
  const sources = new Map<string, { readonly column: Column; readonly dtype: VocabularyRequest['dtype'] }>();
  for (const { columns, dtype } of requests)
    for (const column of columns) sources.set(sourceKey(column, dtype), { column, dtype });
  const tables = await countValues(session, dataset, split, [...sources]);
  const found: Vocabulary[] = [];
  for (const request of requests) found.push(await vocabulary(session, request, tables));
  return found;
}

function sourceKey(column: Column, dtype: string): string {
  return `${dtype} ${column.name}`;
}

/** Makes tables of (value, count); returns for each source a SELECT of `value, n`. */
async function countValues(
  session: SqlSession,
  dataset: DatasetView,
  split: SplitSql,
  sources: readonly (readonly [string, { readonly column: Column; readonly dtype: VocabularyRequest['dtype'] }])[],
): Promise<ReadonlyMap<string, string>> {
  const selects = new Map<string, string>();
  for (let start = 0; start < sources.length; start += columnsPerScan) {
    const group = sources.slice(start, start + columnsPerScan);
    const aliases = group.map((_, index) => `v${index}`);
    const table = `counts${start / columnsPerScan}`;
    const inner = group.map(
      ([, { column, dtype }], index) => `TRY_CAST(${quoteIdentifier(column.name)} AS ${sqlTypes[dtype]}) AS v${index}`,
    );
    await session.execute(
      `CREATE TABLE ${table} AS SELECT grouping_id(${aliases.join(', ')}) AS source, ${aliases.join(', ')}, count(*) AS n
       FROM (SELECT ${inner.join(', ')}, ${split.code} AS code FROM ${dataset.scan}) WHERE code = 1 GROUP BY GROUPING SETS (${aliases.map((alias) => `(${alias})`).join(', ')})`,
    );
    group.forEach(([key], index) => {
      const source = (2n ** BigInt(group.length) - 1n) ^ (1n << BigInt(group.length - 1 - index));
      selects.set(key, `SELECT v${index} AS value, n FROM ${table} WHERE source = ${source}`);
    });
  }
  return selects;
}

async function vocabulary(
  session: SqlSession,
  { columns, dtype, statistic }: VocabularyRequest,
  selects: ReadonlyMap<string, string>,
): Promise<Vocabulary> {
  const all = columns.map((column) => selects.get(sourceKey(column, dtype))!).join(' UNION ALL ');
  const present = dtype === 'string' ? `value <> ''` : dtype === 'float64' ? 'isfinite(value)' : 'value IS NOT NULL';
  const counted = `SELECT value, sum(n) AS n FROM (${all}) WHERE ${present} GROUP BY value`;
  if (dtype === 'string') await refuseNul(session, counted, columns);
  const { rows } = await session.query(`SELECT count(*) AS distinct_values FROM (${counted})`);
  const values: string[] = [];
  const chosen = `SELECT value FROM (${counted}) WHERE n >= ${statistic.minCount} ORDER BY n DESC, value LIMIT ${statistic.maxSize}`;
  for await (const batch of session.batches(`SELECT value FROM (${chosen}) ORDER BY value`)) {
    for (const value of batch.columns[0]!) values.push(String(value));
  }
  return { values, distinct: Number(rows[0]!['distinct_values']) };
}

async function refuseNul(session: SqlSession, counted: string, columns: readonly Column[]): Promise<void> {
  const { rows } = await session.query(`SELECT count(*) AS texts FROM (${counted}) WHERE contains(value, chr(0))`);
  const texts = Number(rows[0]!['texts']);
  if (texts === 0) return;
  throwProblems([
    new MillraceError('DATA_TYPE', {
      path: `column ${columns.map((column) => column.name).join(', ')}`,
      expected: 'text without NUL characters',
      received: `${texts} distinct values with one`,
      hint: "Take them out in SQL: replace(column, chr(0), '').",
    }),
  ]);
}
