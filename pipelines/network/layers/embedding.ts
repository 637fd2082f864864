import { z } from 'zod';
import type { Dim, Initializer } from '../graph.js';
import type { Tracer, Value } from '../tracer.js';
import { defineLayer, type Layer } from './define-layer.js';
import { initializerSchema } from './initializer.js';

export interface EmbeddingOptions {
  /** Rows of the table: indices are 0 … size - 1. */
  readonly size: number;
  readonly dimension: number;
  /** How the table [size, dimension] begins. Default: normal(0, 1), as torch's Embedding. */
  readonly initializer?: Initializer;
}

const options = z.strictObject({
  size: z.int().min(1),
  dimension: z.int().min(1).max(65_536),
  initializer: initializerSchema.optional(),
});
const layer = defineLayer({
  name: 'embedding',
  options,
  trace: (tracer, x, { size, dimension, initializer }) => traceEmbedding(tracer, x, size, dimension, initializer),
});

/**
 * A trained vector for each index. The input `embed` makes one with a vocabulary; this is for indices of one's own.
 *
 * Shapes: int64 [batch] to float32 [batch, dimension]; table [size, dimension].
 */
export function embedding(options: EmbeddingOptions): Layer {
  return layer(options);
}

/** Rows of a new table `table` [size, dimension] at the indices. */
export function traceEmbedding(
  tracer: Tracer,
  index: Value,
  size: Dim,
  dimension: number,
  initializer: Initializer = { kind: 'normal', standardDeviation: 1 },
): Value {
  return tracer.apply('embedding', [index, tracer.parameter('table', [size, dimension], initializer)]);
}
