import { z } from 'zod';
import type { NumberKind } from '../../types/column-type.js';
import { defineInput, type Input } from './define-input.js';
import { checkMissing, type MissingNumbers, missingSchema, numberKinds } from './missing.js';

export interface Passthrough extends Input<NumberKind | 'bool'> {}

const input = defineInput({
  name: 'passthrough',
  kinds: [...numberKinds, 'bool' as const],
  options: z.strictObject({ missing: missingSchema }),
  check: ({ missing }, column, path) => checkMissing(missing, column, path),
  encode: (raw, { missing }) => {
    const filled =
      raw.missing === null
        ? raw.x
        : raw.fill(raw.float64(), raw.statistic('mean', { kind: 'mean', transform: 'none' }));
    return { numbers: { '': raw.cast(filled, 'float32'), ...(missing === 'indicator' ? raw.indicator() : {}) } };
  },
});

/**
 * x as it is, rounded to float32; false is 0 and true 1. A missing value takes the train split's mean; a nullable
 * column gets an indicator by default.
 */
export function passthrough(options: { readonly missing?: MissingNumbers } = {}): Passthrough {
  return input(options);
}
