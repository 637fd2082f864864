import { z } from 'zod';
import type { Initializer } from '../graph.js';
import { traceEmbedding } from '../layers/embedding.js';
import { initializerSchema } from '../layers/initializer.js';
import { type Categories, type CategoryKind, categories } from './categories.js';
import { defineInput, type Encoding, type Input } from './define-input.js';
import { integerKinds } from './missing.js';

export interface Embed extends Input<CategoryKind> {}

export interface EmbedOptions {
  /** Numbers a value. */
  readonly dimension: number;
  /** Values with fewer rows in the train split are unknown. Default: 2, so that training sees what unknown is. */
  readonly minCount?: number;
  /** Keeps the most frequent values. Default: 100,000. */
  readonly maxSize?: number;
  /** A name under which several inputs share one vocabulary (each keeps a table of its own). */
  readonly vocabulary?: string;
  /** How the table begins. Default: normal(0, 1), as torch's Embedding. */
  readonly initializer?: Initializer;
}

const input = defineInput({
  name: 'embed',
  kinds: ['string' as const, 'bool' as const, ...integerKinds],
  options: z.strictObject({
    dimension: z.int().min(1).max(65_536),
    minCount: z.int().min(1).default(2),
    maxSize: z.int().min(1).max(10_000_000).default(100_000),
    vocabulary: z.string().min(1).optional(),
    initializer: initializerSchema.optional(),
  }),
  encode: (raw, { dimension, minCount, maxSize, vocabulary, initializer }) =>
    widenEmbedding(
      categories(raw, { kind: 'vocabulary', minCount, maxSize }, vocabulary ?? null),
      dimension,
      initializer,
    ),
});

/**
 * A trained vector for each value of the train split, for missing and for unknown values (Guo and Berkhahn 2016).
 *
 * Shapes: string, bool or int [batch] to float32 [batch, dimension]; table [values + 2, dimension] (bool: 3).
 */
export function embed(options: EmbedOptions): Embed {
  return input(options);
}

/** Indices as rows of a trained table. */
export function widenEmbedding(
  { index, size }: Categories,
  dimension: number,
  initializer?: Initializer,
): Partial<Encoding> {
  return {
    widened: { '': index },
    widen: (tracer, values) => traceEmbedding(tracer, values['']!, size, dimension, initializer),
  };
}
