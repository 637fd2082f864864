import { z } from 'zod';
import type { NumberKind } from '../../types/column-type.js';
import { defineInput, type Input } from './define-input.js';
import { checkMissing, type MissingNumbers, missingSchema, numberKinds } from './missing.js';

export interface Log1p extends Input<NumberKind> {}

const input = defineInput({
  name: 'log1p',
  kinds: numberKinds,
  options: z.strictObject({ missing: missingSchema }),
  check: ({ missing }, column, path) => checkMissing(missing, column, path),
  encode: (raw, { missing }) => {
    const { tracer } = raw;
    // Filled before the logarithm, which SQL refuses to take of anything else than a positive number.
    const logarithm = tracer.apply('log1p', [raw.fill(raw.float64(), tracer.constant(0, 'float64'))]);
    const centered = tracer.apply('subtract', [
      logarithm,
      raw.statistic('log1pMean', { kind: 'mean', transform: 'log1p' }),
    ]);
    const scaled = tracer.apply('divide', [
      centered,
      raw.statistic('log1pStandardDeviation', { kind: 'standardDeviation', transform: 'log1p' }),
    ]);
    const filled = raw.fill(scaled, tracer.constant(0, 'float64'));
    return { numbers: { '': raw.cast(filled, 'float32'), ...(missing === 'indicator' ? raw.indicator() : {}) } };
  },
});

/**
 * ln(1 + x), standardized over the train split, in float64, rounded to float32: for counts and amounts, x > -1.
 * A missing number becomes 0, the mean of the logarithm; a nullable column gets an indicator by default.
 */
export function log1p(options: { readonly missing?: MissingNumbers } = {}): Log1p {
  return input(options);
}
