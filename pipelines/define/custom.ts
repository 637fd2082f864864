import type { RecordBatch } from 'apache-arrow';
import { MillraceError } from '../contracts/errors.js';
import type { Json } from '../contracts/json.js';
import type { ColumnsOf } from '../types/type.js';
import { datasetKinds, nodeOf } from './build-node.js';
import { datasetValue, declareColumns } from './dataset-value.js';
import type { AnyDataset, AsOptions, Dataset } from './stage-values.js';

/** The batches of every input by name, and the stage's options. */
export interface CustomContext<I extends string = string> {
  readonly inputs: Readonly<Record<I, AsyncIterable<RecordBatch>>>;
  readonly options: Json;
}

/** An exported function of the user's: Arrow batches in, Arrow batches out. */
export type CustomFunction<I extends string = string> = (context: CustomContext<I>) => AsyncIterable<RecordBatch> | Iterable<RecordBatch>;

/**
 * A stage of the user's own: an exported TypeScript function, run in a child process.
 * Its code, with what it imports, is part of the stage's key. Rows are written in the order of the key, else of all columns.
 *
 * @param run - exported from a module of its own: `export async function* clean({ inputs }) { … }`.
 * @throws CUSTOM_NOT_EXPORTED - when the pipeline is compiled; CUSTOM_THROWS, DATA_TYPE - when it runs.
 */
export function custom<I extends string, C extends ColumnsOf<C>>(
  run: CustomFunction<I>,
  options: { readonly inputs: Readonly<Record<I, AnyDataset>>; readonly columns: C; readonly options?: Json } & AsOptions<C>,
): Dataset<C> {
  if (typeof run !== 'function') {
    throw new MillraceError('CONFIG_INVALID', { path: 'custom.run', expected: 'an exported function', received: `a ${typeof run}` });
  }
  const entries = Object.entries<AnyDataset>(options.inputs ?? {});
  const datasets = Object.fromEntries(entries.map(([name, value]) => [name, nodeOf(value, datasetKinds, `custom.inputs.${name}`)]));
  const declared = declareColumns(options.columns as Readonly<Record<string, unknown>>, options.key ?? [], 'custom');
  return datasetValue<C>({ kind: 'custom', function: run as (...values: never[]) => unknown, datasets, options: options.options ?? null, ...declared }, declared.columns);
}
