import { z } from 'zod';
import type { NumberKind } from '../../types/column-type.js';
import { defineInput, type Input } from './define-input.js';
import { checkMissing, type MissingNumbers, missingSchema, numberKinds } from './missing.js';

export interface MinMax extends Input<NumberKind> {}

const input = defineInput({
  name: 'minMax',
  kinds: numberKinds,
  options: z.strictObject({ missing: missingSchema }),
  check: ({ missing }, column, path) => checkMissing(missing, column, path),
  encode: (raw, { missing }) => {
    const { tracer } = raw;
    const filled =
      raw.missing === null
        ? raw.float64()
        : raw.fill(raw.float64(), raw.statistic('mean', { kind: 'mean', transform: 'none' }));
    const shifted = tracer.apply('subtract', [filled, raw.statistic('minimum', { kind: 'minimum' })]);
    const scaled = tracer.apply('divide', [shifted, raw.statistic('range', { kind: 'range' })]);
    return { numbers: { '': raw.cast(scaled, 'float32'), ...(missing === 'indicator' ? raw.indicator() : {}) } };
  },
});

/**
 * (x - minimum) / (maximum - minimum) over the train split, in float64, rounded to float32: 0 to 1 there, beyond it
 * for values outside. A missing number takes the mean; a nullable column gets an indicator by default.
 */
export function minMax(options: { readonly missing?: MissingNumbers } = {}): MinMax {
  return input(options);
}
