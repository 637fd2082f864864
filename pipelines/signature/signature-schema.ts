import { z } from 'zod';
import { MillraceError } from '../contracts/errors.js';
import type { ModelSignature } from '../contracts/signature.js';
import type { Column, ColumnType } from '../types/column-type.js';

const plainKinds = [
  ...['bool', 'int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64'],
  ...['float32', 'float64', 'string', 'bytes', 'date', 'timestamp'],
] as Exclude<ColumnType['kind'], 'decimal' | 'list' | 'tensor' | 'struct'>[];

const nullable = z.boolean();
const count = z.int().min(0);

const columnType: z.ZodType<ColumnType> = z.lazy(() =>
  z.union([
    z.strictObject({ kind: z.enum(plainKinds), nullable }),
    z.strictObject({ kind: z.literal('decimal'), nullable, precision: count, scale: count }),
    z.strictObject({ kind: z.literal('list'), nullable, item: columnType }),
    z.strictObject({ kind: z.literal('tensor'), nullable, shape: z.array(count) }),
    z.strictObject({ kind: z.literal('struct'), nullable, fields: z.array(column) }),
  ]),
);

const column: z.ZodType<Column> = z.strictObject({ name: z.string().min(1), type: columnType });
const dtype = z.enum(['float32', 'float64', 'int64', 'bool', 'string']);

const signatureSchema: z.ZodType<ModelSignature> = z.strictObject({
  formatVersion: z.literal(1),
  task: z.enum(['binary', 'multiclass', 'regression']),
  inputs: z.array(z.strictObject({ column, dtype })),
  outputs: z.array(z.strictObject({ name: z.string().min(1), dtype, shape: z.array(count.nullable()) })),
  labels: z.array(z.string()),
  classes: z.array(z.string()),
  threshold: z.number().nullable(),
});

/**
 * Reads the text of a bundle's `signature.json`.
 *
 * @param path - what errors call the file.
 * @throws ARTIFACT_CORRUPT
 */
export function parseSignature(text: string, path: string): ModelSignature {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (cause) {
    throw corrupt(path, 'JSON', 'text that is none', cause);
  }
  const result = signatureSchema.safeParse(data);
  if (!result.success) {
    const [issue] = result.error.issues;
    throw corrupt(
      path,
      'a model signature of format version 1',
      `${issue?.path.join('.')}: ${issue?.message}`,
      result.error,
    );
  }
  return result.data;
}

function corrupt(path: string, expected: string, received: string, cause: unknown): MillraceError {
  return new MillraceError('ARTIFACT_CORRUPT', { path, expected, received, hint: 'Export the model again.', cause });
}
