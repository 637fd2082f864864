// One encode region, two readers: SQL for the feed and ONNX for serving, over the same raw values.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openInferenceEngine } from '../../../connectors/onnxruntime/inference-engine.js';
import { writeOnnx } from '../../../operators/export/write-onnx.js';
import type { TensorValue } from '../../../pipelines/contracts/infer.js';
import { quoteIdentifier, quoteLiteral, type SqlCell, type SqlSession } from '../../../pipelines/contracts/sql.js';
import type { StatisticsDocument } from '../../../pipelines/contracts/training.js';
import { encodeToSql } from '../../../pipelines/encode/encode-to-sql.js';
import { doubleLiteral } from '../../../pipelines/encode/sql-literal.js';
import type { FitGraph, TensorGraph } from '../../../pipelines/network/graph.js';
import type { Column } from '../../../pipelines/types/column-type.js';

export type RawCell = null | boolean | number | bigint | string;

export interface RawColumn {
  readonly column: Column;
  readonly cells: readonly RawCell[];
}

const sqlTypes: Readonly<Record<string, string>> = {
  bool: 'BOOLEAN',
  int8: 'TINYINT',
  int16: 'SMALLINT',
  int32: 'INTEGER',
  int64: 'BIGINT',
  uint8: 'UTINYINT',
  uint16: 'USMALLINT',
  uint32: 'UINTEGER',
  uint64: 'UBIGINT',
  float32: 'FLOAT',
  float64: 'DOUBLE',
  string: 'VARCHAR',
};

function cellSql(cell: RawCell): string {
  if (cell === null) return 'NULL';
  if (typeof cell === 'string') return quoteLiteral(cell);
  return typeof cell === 'number' ? doubleLiteral(cell) : String(cell);
}

/** The feed's columns by SQL: float32 as numbers, int64 as bigints; null where SQL has no value. */
export async function readBySql(
  session: SqlSession,
  graph: TensorGraph,
  statistics: StatisticsDocument,
  raw: readonly RawColumn[],
): Promise<Record<string, readonly (number | bigint | null)[]>> {
  const columns = raw.map(({ column }) => column);
  const rows = raw[0]!.cells.map((_, row) => `(${[row, ...raw.map(({ cells }) => cellSql(cells[row]!))].join(', ')})`);
  const names = ['row', ...columns.map(({ name }) => name)].map(quoteIdentifier).join(', ');
  const casts = columns
    .map(({ name, type }) => `CAST(${quoteIdentifier(name)} AS ${sqlTypes[type.kind]}) AS ${quoteIdentifier(name)}`)
    .join(', ');
  const encoded = encodeToSql(graph, statistics, columns);
  const result: Record<string, (number | bigint | null)[]> = Object.fromEntries(encoded.map(({ name }) => [name, []]));
  // A table, so that DuckDB computes vectors of rows and does not fold constants.
  await session.execute(
    `CREATE OR REPLACE TABLE raw AS SELECT row, ${casts} FROM (VALUES ${rows.join(', ')}) t(${names})`,
  );
  for await (const batch of session.batches(
    `SELECT ${encoded.map(({ sql, dtype }) => `CAST(${sql} AS ${dtype === 'float32' ? 'FLOAT' : 'BIGINT'})`).join(', ')} FROM raw ORDER BY row`,
  )) {
    encoded.forEach(({ name }, index) => {
      for (const cell of batch.columns[index] as readonly SqlCell[]) result[name]!.push(cell as number | bigint | null);
    });
  }
  return result;
}

/** The same by ONNX in onnxruntime: the feed's nodes are the outputs. */
export async function readByOnnx(
  directory: string,
  graph: TensorGraph,
  statistics: StatisticsDocument,
  raw: readonly RawColumn[],
): Promise<Record<string, readonly (number | bigint | null)[]>> {
  const outputs = Object.fromEntries(graph.feed.map(({ name, node }) => [`out ${name}`, node]));
  const fit = {
    graph: { ...graph, outputs },
    label: graph,
    loss: graph,
    slots: [],
    task: { kind: 'binary', label: '' },
  } as unknown as FitGraph;
  const path = join(directory, 'model.onnx');
  await writeFile(path, writeOnnx(fit, statistics, new Map()));
  await using session = await openInferenceEngine().load(path);
  const feeds = Object.fromEntries(
    session.inputs.map(({ name, dtype }) => [
      name,
      tensor(raw.find(({ column }) => column.name === name)!.cells, dtype),
    ]),
  );
  const results = await session.run(feeds);
  return Object.fromEntries(
    graph.feed.map(({ name }) => [name, [...(results[`out ${name}`]!.data as Float32Array | BigInt64Array)]]),
  );
}

function tensor(cells: readonly RawCell[], dtype: TensorValue['dtype']): TensorValue {
  const shape = [cells.length];
  switch (dtype) {
    case 'string':
      return { dtype, shape, data: cells.map((cell) => (cell === null ? '' : String(cell))) };
    case 'bool':
      return { dtype, shape, data: Uint8Array.from(cells, (cell) => (cell === true ? 1 : 0)) };
    case 'int64':
      return { dtype, shape, data: BigInt64Array.from(cells, (cell) => BigInt(cell as number | bigint)) };
    case 'float32':
      return { dtype, shape, data: Float32Array.from(cells, number) };
    case 'float64':
      return { dtype, shape, data: Float64Array.from(cells, number) };
  }
}

function number(cell: RawCell): number {
  return cell === null ? Number.NaN : Number(cell);
}

/** Rows in which the two differ; what is no finite number on either side is equal, since training refuses it. */
export function differences(
  sql: readonly (number | bigint | null)[],
  onnx: readonly (number | bigint | null)[],
): string[] {
  return onnx.flatMap((theirs, row) => {
    const ours = sql[row]!;
    const isNone = (cell: number | bigint | null | undefined) =>
      cell === null || cell === undefined || (typeof cell === 'number' && !Number.isFinite(cell));
    if (isNone(ours) && isNone(theirs)) return [];
    return Object.is(typeof ours === 'bigint' ? ours : ours, theirs)
      ? []
      : [`row ${row}: SQL ${show(ours)}, ONNX ${show(theirs)}`];
  });
}

function show(cell: number | bigint | null): string {
  return Object.is(cell, -0) ? '-0' : String(cell);
}
