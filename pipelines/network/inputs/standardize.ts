import { z } from 'zod';
import type { NumberKind } from '../../types/column-type.js';
import type { Value } from '../tracer.js';
import { defineInput, type Input } from './define-input.js';
import { checkMissing, type MissingNumbers, missingSchema, numberKinds } from './missing.js';
import type { RawColumn } from './raw-column.js';

export interface Standardize extends Input<NumberKind> {}

const input = defineInput({
  name: 'standardize',
  kinds: numberKinds,
  options: z.strictObject({ missing: missingSchema }),
  check: ({ missing }, column, path) => checkMissing(missing, column, path),
  encode: (raw, { missing }) => ({
    numbers: { '': raw.cast(standardized(raw), 'float32'), ...(missing === 'indicator' ? raw.indicator() : {}) },
  }),
});

/**
 * (x - mean) / standard deviation over the train split, in float64, rounded to float32. A constant column becomes 0.
 * A missing number becomes 0, the mean; a nullable column gets an indicator beside it by default.
 */
export function standardize(options: { readonly missing?: MissingNumbers } = {}): Standardize {
  return input(options);
}

/** The standardized column in float64, 0 where it is missing. */
export function standardized(raw: RawColumn): Value {
  const mean = raw.statistic('mean', { kind: 'mean', transform: 'none' });
  const deviation = raw.statistic('standardDeviation', { kind: 'standardDeviation', transform: 'none' });
  const { tracer } = raw;
  const centered = tracer.apply('subtract', [raw.float64(), mean]);
  return raw.fill(tracer.apply('divide', [centered, deviation]), tracer.constant(0, 'float64'));
}
