import { join } from 'node:path';
import { z } from 'zod';
import { defineOperator } from '../../pipelines/contracts/operator.js';
import type { Column } from '../../pipelines/types/column-type.js';
import { sqlOperator } from '../sql/sql-operator.js';

const column = z.custom<Column>((value) => typeof value === 'object' && value !== null && 'name' in value);
const options = z.strictObject({
  /** Digest of the bundle of the export alone. */
  bundle: z.string(),
  columns: z.array(column).min(1),
  key: z.array(z.string()),
  options: z.json(),
});

/**
 * A function of the user's over Arrow batches, in a child process that opens the inputs in its own DuckDB:
 * only paths cross the border. What it returns is cast to the declared columns and written as any dataset.
 *
 * @throws CUSTOM_THROWS - with the function's own stack; DATA_TYPE - a column that is not what was declared.
 */
export const customOperator = defineOperator<z.output<typeof options>>({
  name: 'custom',
  class: 'pure',
  options,
  outputs: { dataset: 'dataset' },
  weight: 'sql',
  engines: ['duckdb'],
  async run(context, { options: { bundle, columns, key, options: own }, inputs }) {
    const output = join(context.scratch, `custom-${context.attempt}`);
    const datasets = Object.fromEntries(
      Object.entries(inputs).map(([name, input]) => [name, input.artifacts['dataset']!]),
    );
    const result = await context.custom.run({
      path: context.stage,
      bundle,
      inputs: datasets,
      columns,
      options: own,
      root: context.root,
      output,
      placement: context.placement,
      signal: context.signal,
    });
    const source = { format: 'arrow' as const, path: result.file, columns: null };
    return sqlOperator.run(context, { options: { relation: { kind: 'source', source }, columns, key }, inputs: {} });
  },
});
