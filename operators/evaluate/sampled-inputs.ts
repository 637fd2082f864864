import type { TensorValue } from '../../pipelines/contracts/infer.js';
import type { ModelSignature } from '../../pipelines/contracts/signature.js';
import { quoteIdentifier, type SqlCell, type SqlSession } from '../../pipelines/contracts/sql.js';
import type { SplitSpec } from '../../pipelines/plan/relation.js';
import { tensorsFromColumns } from '../../pipelines/signature/tensors.js';
import type { DatasetView } from '../split/read-dataset.js';
import { createRandom, shuffledIndices } from './random.js';
import { testRowsSql } from './scored-rows.js';

/** At most `limit` of `total` rows, drawn by `seed`; ascending. */
export function sampleRows(total: number, limit: number, seed: number): Uint32Array {
  return shuffledIndices(total, createRandom(seed, 0)).slice(0, limit).sort();
}

/** The model's inputs for some of the test split's rows. */
export async function readSampledInputs(
  sql: SqlSession,
  request: {
    readonly dataset: DatasetView;
    readonly split: SplitSpec;
    readonly signature: ModelSignature;
    /** Ascending, counted within the test split. */
    readonly rows: Uint32Array;
  },
): Promise<Record<string, TensorValue>> {
  const { dataset, split, signature, rows } = request;
  const names = signature.inputs.map((input) => input.column.name);
  const columns = names.map((): SqlCell[] => []);
  let first = 0;
  let next = 0;
  const text = `SELECT ${names.map(quoteIdentifier).join(', ')} FROM ${testRowsSql(dataset, split)} ORDER BY __position`;
  for await (const batch of sql.batches(text)) {
    for (; next < rows.length && rows[next]! < first + batch.rows; next++) {
      for (let i = 0; i < columns.length; i++) columns[i]!.push(batch.columns[i]![rows[next]! - first] ?? null);
    }
    first += batch.rows;
  }
  return tensorsFromColumns(signature, Object.fromEntries(names.map((name, i) => [name, columns[i]!])), rows.length);
}
