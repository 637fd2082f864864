import * as arrow from 'apache-arrow';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { Column } from '../../pipelines/types/column-type.js';
import { arrowSchemaOf, recordBatchOf } from './arrow-batches.js';

/** What became of a custom stage's batches. Errors end the stream in good order: the Arrow writer loses them otherwise. */
export interface Returned {
  rows: number;
  problem: unknown;
}

/**
 * The batches that a custom stage's function yields, all of one schema: dictionaries are spelled out and every column
 * may be null, because the Arrow stream drops what follows a batch of another schema.
 *
 * @param path - the stage.
 * @param returned - filled while the batches pass; `problem` holds what the function threw or got wrong.
 */
export async function* returnedBatches(
  run: () => AsyncIterable<unknown> | Iterable<unknown>,
  columns: readonly Column[],
  path: string,
  returned: Returned,
): AsyncGenerator<arrow.RecordBatch> {
  let schema: arrow.Schema | null = null;
  try {
    const yielded: unknown = run();
    if (!isIterable(yielded)) throw noBatches(path, `a returned ${describe(yielded)}`);
    for await (const value of yielded) {
      if (!(value instanceof arrow.RecordBatch)) throw noBatches(path, `a yielded ${describe(value)}`);
      const batch = plainBatch(value);
      schema ??= batch.schema;
      if (!arrow.util.compareSchemas(schema, batch.schema)) {
        throw new MillraceError('DATA_TYPE', {
          path,
          expected: `batches of one schema (${schemaText(schema)})`,
          received: `one of another (${schemaText(batch.schema)})`,
          hint: 'Yield the same columns, of the same types and in the same order, every time.',
        });
      }
      returned.rows += batch.numRows;
      yield batch;
    }
  } catch (problem) {
    returned.problem = problem;
  }
  // Without a batch there would be no schema to read.
  if (schema !== null) return;
  const empty = { rows: 0, columns: columns.map(() => []) };
  yield recordBatchOf(empty, columns, arrowSchemaOf(columns));
}

function isIterable(value: unknown): value is AsyncIterable<unknown> | Iterable<unknown> {
  return typeof value === 'object' && value !== null && (Symbol.asyncIterator in value || Symbol.iterator in value);
}

function noBatches(path: string, received: string): MillraceError {
  return new MillraceError('DATA_TYPE', {
    path,
    expected: 'a generator function that yields Arrow record batches',
    received,
    hint: "Write export async function* …, and yield the batches of tables from 'apache-arrow'.",
  });
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return typeof value === 'object' ? (value.constructor?.name ?? 'object') : typeof value;
}

function schemaText(schema: arrow.Schema): string {
  return schema.fields.map((field) => `${field.name} ${field.type}`).join(', ');
}

function plainBatch(batch: arrow.RecordBatch): arrow.RecordBatch {
  const fields = batch.schema.fields.map((field) => new arrow.Field(field.name, plainType(field.type), true));
  const children = batch.schema.fields.map((field, index) =>
    arrow.DataType.isDictionary(field.type)
      ? spelledOut(batch.getChildAt(index)!, field.type)
      : batch.data.children[index]!,
  );
  const schema = new arrow.Schema(fields);
  const data = arrow.makeData({ type: new arrow.Struct(fields), length: batch.numRows, nullCount: 0, children });
  return new arrow.RecordBatch(schema, data);
}

function plainType(type: arrow.DataType): arrow.DataType {
  return arrow.DataType.isDictionary(type) ? type.dictionary : type;
}

function spelledOut(vector: arrow.Vector, type: arrow.Dictionary): arrow.Data {
  const builder = arrow.makeBuilder({ type: type.dictionary, nullValues: [null, undefined] });
  for (const value of vector) builder.append(value);
  return builder.finish().flush();
}
