import { z } from 'zod';
import { splitSchema } from '../split/split-options.js';

/** Resolved options of `evaluate`, as plans hold them. */
export const evaluateOptionsSchema = z.strictObject({
  split: splitSchema,
  /** null: all metrics of the task. */
  metrics: z.array(z.string()).nullable(),
  slices: z.array(z.string()),
  /** Resamples; 0 for no intervals. */
  bootstrap: z.int().min(0),
  importance: z.strictObject({ repeats: z.int().min(1), maxRows: z.int().min(1) }).nullable(),
  seed: z.int(),
});

export type ResolvedEvaluateOptions = z.output<typeof evaluateOptionsSchema>;
