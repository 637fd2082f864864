import { z } from 'zod';
import { type Categories, type CategoryKind, categories } from './categories.js';
import { defineInput, type Encoding, type Input } from './define-input.js';
import { integerKinds } from './missing.js';

export interface OneHot extends Input<CategoryKind> {}

export interface OneHotOptions {
  /** Values with fewer rows in the train split are unknown. Default: 2, so that training sees what unknown is. */
  readonly minCount?: number;
  /** Keeps the most frequent values. Default: 1,000. */
  readonly maxSize?: number;
}

const input = defineInput({
  name: 'oneHot',
  kinds: ['string' as const, 'bool' as const, ...integerKinds],
  options: z.strictObject({ minCount: z.int().min(1).default(2), maxSize: z.int().min(1).max(100_000).default(1_000) }),
  encode: (raw, { minCount, maxSize }) => widenOneHot(categories(raw, { kind: 'vocabulary', minCount, maxSize }, null)),
});

/**
 * A column of 0 and 1 for each value of the train split, one for missing and one for unknown values.
 *
 * Shapes: string, bool or int [batch] to float32 [batch, values + 2] (bool: 3).
 */
export function oneHot(options: OneHotOptions = {}): OneHot {
  return input(options);
}

/** Indices as columns of 0 and 1. */
export function widenOneHot({ index, symbol, plus }: Categories): Partial<Encoding> {
  return {
    widened: { '': index },
    widen: (tracer, values) => tracer.apply('oneHot', [values['']!], { depthSymbol: symbol, depthPlus: plus }),
  };
}
