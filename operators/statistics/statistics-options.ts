import { z } from 'zod';
import type { Dim, SlotSpec, Statistic } from '../../pipelines/network/graph.js';
import { splitSchema } from '../split/split-options.js';

const transform = z.enum(['none', 'log1p']);

const statisticSchema: z.ZodType<Statistic> = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('mean'), transform }),
  z.strictObject({ kind: z.literal('standardDeviation'), transform }),
  z.strictObject({ kind: z.literal('minimum') }),
  z.strictObject({ kind: z.literal('maximum') }),
  z.strictObject({ kind: z.literal('range') }),
  z.strictObject({ kind: z.literal('quantiles'), bins: z.int().min(1) }),
  z.strictObject({ kind: z.literal('vocabulary'), minCount: z.int().min(1), maxSize: z.int().min(1) }),
]);

const dimSchema: z.ZodType<Dim> = z.union([
  z.int(),
  z.strictObject({ constant: z.int(), terms: z.record(z.string(), z.int()) }),
]);

const slotSchema: z.ZodType<SlotSpec> = z.strictObject({
  name: z.string(),
  column: z.string(),
  alsoColumns: z.array(z.string()).exactOptional(),
  statistic: statisticSchema,
  dtype: z.enum(['float64', 'int64', 'string']),
  shape: z.array(dimSchema),
  size: z.string().nullable(),
});

export const statisticsOptions = z.strictObject({
  split: splitSchema,
  slots: z.array(slotSchema),
  label: z.strictObject({
    columns: z.array(z.string()).min(1),
    task: z.enum(['binary', 'multiclass', 'regression']),
    /** Classes that the loss weights: the train split must have them. */
    weightedClasses: z.array(z.string()).exactOptional(),
  }),
  /** The raw feature columns: their numbers are checked, whether or not a slot reads them. */
  inputs: z.array(z.string()),
});

export type StatisticsOptions = z.output<typeof statisticsOptions>;
