import { z } from 'zod';
import { MillraceError } from '../../contracts/errors.js';
import type { Column, IntegerKind, NumberKind } from '../../types/column-type.js';

/**
 * What happens to missing numbers of a nullable column: they take the train split's mean, and `'indicator'` adds a
 * column of 0 and 1 that says where; `'error'` refuses a nullable column when the plan is compiled.
 */
export type MissingNumbers = 'indicator' | 'mean' | 'error';

export const missingSchema = z.enum(['indicator', 'mean', 'error']).default('indicator');

export const integerKinds: readonly IntegerKind[] = [
  'int8',
  'int16',
  'int32',
  'int64',
  'uint8',
  'uint16',
  'uint32',
  'uint64',
];
export const numberKinds: readonly NumberKind[] = [...integerKinds, 'float32', 'float64'];

/** `missing: 'error'` asks for a column that cannot be null: the cast to such a type is proven while it is written. */
export function checkMissing(missing: MissingNumbers, column: Column, path: string): readonly MillraceError[] {
  if (missing !== 'error' || !column.type.nullable) return [];
  return [
    new MillraceError('NETWORK_INVALID', {
      path: `${path}.missing`,
      expected: `a column that is never null for 'error'`,
      received: `'${column.name}', which is ${column.type.kind} and nullable`,
      hint: `Declare it in .as() without .nullable, or use 'indicator' or 'mean'.`,
    }),
  ];
}
