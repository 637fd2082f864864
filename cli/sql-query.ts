import { statSync } from 'node:fs';
import { join } from 'node:path';
import { datasetTable } from '../operators/sql/dataset-table.js';
import { withoutSemicolon } from '../operators/sql/statement-text.js';
import type { Artifact } from '../pipelines/contracts/artifacts.js';
import { isMillraceError, MillraceError, nearestName } from '../pipelines/contracts/errors.js';
import { quoteIdentifier, quoteLiteral, type SqlEngine, type SqlSession } from '../pipelines/contracts/sql.js';
import type { Column } from '../pipelines/types/column-type.js';
import { csvWriter, jsonWriter, type RowWriter, tableWriter } from './sql-output.js';

/** A query of {@link querySql}. */
export interface SqlQuery {
  readonly engine: SqlEngine;
  /** What stands for each name in the text: a `dataset` artifact, a Parquet file, or a folder of Parquet files (absolute paths). */
  readonly datasets: Readonly<Record<string, Artifact | string>>;
  /** One SELECT from a person: untrusted. */
  readonly sql: string;
  readonly format: 'table' | 'csv' | 'json';
  /** Most rows of a table; the number of those left out is said. Default 1000. CSV and JSON stream all. */
  readonly maxRows?: number;
  readonly signal?: AbortSignal;
}

/**
 * Runs one SELECT over datasets by their names and gives its output in pieces of text. The session sees the files of
 * the datasets that the text names, and nothing else on the machine.
 *
 * @throws SQL_INVALID, SQL_REFUSED, SQL_UNKNOWN_COLUMN, DATA_TYPE, CANCELLED
 */
export async function* querySql(query: SqlQuery): AsyncGenerator<string> {
  const info = await query.engine.inspect(query.sql, 'sql');
  const used = info.tables.map((table) => datasetNamed(query.datasets, table));
  await using session = await query.engine.open({
    readable: used.map(([, dataset]) => (typeof dataset === 'string' ? dataset : dataset.directory)),
    writable: [],
    // Whoever asks twice sees the same answer.
    ...(info.isOrderSensitive ? { threads: 1 } : {}),
    ...(query.signal === undefined ? {} : { signal: query.signal }),
  });
  for (const [name, dataset] of new Map(used)) {
    await session.execute(`CREATE VIEW ${quoteIdentifier(name)} AS ${viewText(dataset)}`);
  }
  const text = withoutSemicolon(query.sql);
  const columns = await describeQuery(session, text);
  const writer = writerOf(query, columns);
  yield* pieces(session, text, writer);
}

async function* pieces(session: SqlSession, text: string, writer: RowWriter): AsyncGenerator<string> {
  yield writer.begin();
  for await (const batch of session.batches(text)) {
    const piece = writer.rows(batch);
    if (piece !== '') yield piece;
  }
  yield writer.end();
}

function writerOf(query: SqlQuery, columns: readonly Column[]): RowWriter {
  switch (query.format) {
    case 'csv':
      return csvWriter(columns);
    case 'json':
      return jsonWriter(columns);
    case 'table':
      return tableWriter(columns, query.maxRows ?? 1000);
  }
}

function datasetNamed(datasets: SqlQuery['datasets'], table: string): readonly [string, Artifact | string] {
  const names = Object.keys(datasets);
  const name = names.find((each) => each === table) ?? names.find((each) => each.toLowerCase() === table.toLowerCase());
  const dataset = name === undefined ? undefined : datasets[name];
  if (name !== undefined && dataset !== undefined) return [name, dataset];
  const near = nearestName(table, names);
  throw new MillraceError('SQL_INVALID', {
    path: 'sql',
    expected:
      names.length === 0
        ? 'no table, since there is no dataset'
        : `a dataset of ${names
            .slice(0, 12)
            .map((each) => `'${each}'`)
            .join(', ')}${names.length > 12 ? ' …' : ''}`,
    received: `the table '${table}'`,
    ...(near === null ? {} : { hint: `Did you mean '${near}'?` }),
    details: { table, nearest: near },
  });
}

function viewText(dataset: Artifact | string): string {
  if (typeof dataset !== 'string') return datasetTable(dataset).sql;
  const isFolder = statSync(dataset, { throwIfNoEntry: false })?.isDirectory() ?? false;
  const literal = dataset.replace(/[[*?]/g, (character) => `[${character}]`);
  return `SELECT * FROM read_parquet(${quoteLiteral(isFolder ? join(literal, '*.parquet') : literal)}, hive_partitioning = false)`;
}

/** Errors point into the text as it was typed. */
async function describeQuery(session: SqlSession, text: string): Promise<readonly Column[]> {
  try {
    return await session.describe(`\n${text}`);
  } catch (error) {
    if (!isMillraceError(error)) throw error;
    const place = /^sql:(\d+)(:\d+)?$/.exec(error.path);
    if (place === null) throw error;
    // DESCRIBE stands on a line of its own before the text.
    throw new MillraceError(error.code, {
      path: `sql:${Number(place[1]) - 1}${place[2] ?? ''}`,
      expected: error.expected,
      received: error.received,
      details: error.details,
      ...(error.hint === null ? {} : { hint: error.hint }),
      cause: error,
    });
  }
}
