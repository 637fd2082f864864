import type { RecordBatch } from 'apache-arrow';
import { z } from 'zod';
import { MillraceError } from '../contracts/errors.js';
import type { Json } from '../contracts/json.js';
import type { ColumnsOf } from '../types/type.js';
import { datasetKinds, nodeOf } from './build-node.js';
import { datasetValue, declareColumns } from './dataset-value.js';
import { describeValue } from './describe-value.js';
import { checkStageName } from './names.js';
import { parseOptions } from './parse-options.js';
import type { AnyDataset, AsOptions, Dataset } from './stage-values.js';

/** The batches of every input by name, and the stage's options. */
export interface CustomContext<I extends string = string> {
  readonly inputs: Readonly<Record<I, AsyncIterable<RecordBatch>>>;
  readonly options: Json;
}

/** An exported function of the user's: Arrow batches in, Arrow batches out. */
export type CustomFunction<I extends string = string> = (
  context: CustomContext<I>,
) => AsyncIterable<RecordBatch> | Iterable<RecordBatch>;

const schema = z.strictObject({
  inputs: z.record(z.string(), z.unknown()),
  columns: z.unknown().optional(),
  key: z.unknown().optional(),
  options: z.json().optional(),
});

/**
 * A stage of the user's own: an exported TypeScript function, run in a child process.
 * Its code, with what it imports, is part of the stage's key. Rows are written in the order of the key, else of all columns.
 *
 * @param run - exported from a module of its own: `export async function* clean({ inputs }) { … }`.
 * @throws CUSTOM_NOT_EXPORTED - when the pipeline is compiled; CUSTOM_THROWS, DATA_TYPE - when it runs.
 */
export function custom<I extends string, C extends ColumnsOf<C>>(
  run: CustomFunction<I>,
  options: {
    readonly inputs: Readonly<Record<I, AnyDataset>>;
    readonly columns: C;
    readonly options?: Json;
  } & AsOptions<C>,
): Dataset<C> {
  const given = parseOptions(schema, { ...options, columns: undefined, key: undefined }, 'custom');
  if (typeof run !== 'function') {
    throw new MillraceError('CONFIG_INVALID', {
      path: 'custom.run',
      expected: 'an exported function',
      received: describeValue(run),
    });
  }
  const datasets = Object.fromEntries(
    Object.entries(given.inputs).map(([name, value]) => [
      checkStageName(name, `custom.inputs.${name}`),
      nodeOf(value, datasetKinds, `custom.inputs.${name}`),
    ]),
  );
  const declared = declareColumns(options.columns, options.key, 'custom');
  return datasetValue<C>(
    {
      kind: 'custom',
      function: run as (...values: never[]) => unknown,
      datasets,
      options: (given.options ?? null) as Json,
      ...declared,
    },
    declared.columns,
  );
}
