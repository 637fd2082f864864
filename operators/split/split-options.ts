import { z } from 'zod';
import type { SplitSpec } from '../../pipelines/plan/relation.js';

const fraction = z.number().min(0).max(1);

/** A resolved {@link SplitSpec}, as plans hold it. */
export const splitSchema: z.ZodType<SplitSpec> = z.discriminatedUnion('kind', [
  z
    .strictObject({
      kind: z.literal('hash'),
      by: z.array(z.string()),
      train: fraction,
      validation: fraction,
      test: fraction,
      seed: z.int(),
      stratify: z.string().nullable(),
    })
    .refine(
      (spec) => spec.train + spec.validation + spec.test <= 1 + 1e-9,
      'train, validation and test that add up to at most 1',
    ),
  z.strictObject({
    kind: z.literal('time'),
    column: z.string(),
    cuts: z.tuple([z.string(), z.string()]),
    purgeHours: z.number().min(0),
  }),
  z.strictObject({
    kind: z.literal('column'),
    column: z.string(),
    validation: z.strictObject({ fraction, by: z.array(z.string()), seed: z.int() }).nullable(),
  }),
]);
