import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Artifact } from '../../pipelines/contracts/artifacts.js';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import { splitSchema } from '../split/split-options.js';

const interval = z.strictObject({ low: z.number(), high: z.number() }).nullable();

/** A metric's value (null where it is undefined) and its 95% bootstrap interval (null where there is none). */
const metricValue = z.strictObject({ value: z.number().nullable(), interval });
const metricValues = z.record(z.string(), metricValue);
const curve = z.array(z.strictObject({ x: z.number(), y: z.number(), threshold: z.number().nullable() }));

const sliceColumn = z.strictObject({
  column: z.string(),
  /** The values with the most rows, most first; or five groups of equal size, where a number has many values. */
  values: z.array(
    z.strictObject({
      /** null for a missing value. */
      value: z.string().nullable(),
      rows: z.int(),
      metrics: metricValues,
    }),
  ),
  /** What the list leaves out. */
  omitted: z.strictObject({ values: z.int(), rows: z.int() }),
});

const calibrationBin = z.strictObject({
  low: z.number(),
  high: z.number(),
  rows: z.int(),
  predicted: z.number(),
  observed: z.number(),
});

const residuals = z.strictObject({
  label: z.string(),
  groups: z.array(
    z.strictObject({
      rows: z.int(),
      prediction: z.number(),
      low: z.number(),
      median: z.number(),
      high: z.number(),
    }),
  ),
  histogram: z.strictObject({ low: z.number(), high: z.number(), counts: z.array(z.int()) }),
  points: z.array(z.strictObject({ prediction: z.number(), label: z.number() })),
});

/** `report.json` of a `report` artifact; beside it lies `predictions.parquet`. */
export const reportSchema = z.strictObject({
  formatVersion: z.literal(1),
  task: z.enum(['binary', 'multiclass', 'regression']),
  labels: z.array(z.string()),
  classes: z.array(z.string()),
  /** Binary: at or above it the second class is predicted. */
  threshold: z.number().nullable(),
  split: splitSchema,
  /** Rows of the test split. */
  rows: z.int(),
  /** Rows of each class, by name; empty for regression. */
  classRows: z.array(z.int()),
  metrics: metricValues,
  bootstrap: z.strictObject({ resamples: z.int(), confidence: z.literal(0.95), seed: z.int() }).nullable(),
  slices: z.array(sliceColumn),
  /** Binary: at most 200 points each. */
  curves: z.strictObject({ roc: curve, precisionRecall: curve, calibration: z.array(calibrationBin) }).nullable(),
  confusion: z
    .strictObject({
      /** [actual][predicted]; null above 50 classes. */
      counts: z.array(z.array(z.int())).nullable(),
      mistakes: z.array(z.strictObject({ actual: z.int(), predicted: z.int(), rows: z.int() })),
    })
    .nullable(),
  /** Regression, one for each of the first four labels. */
  residuals: z.array(residuals),
  importance: z
    .strictObject({
      metric: z.string(),
      repeats: z.int(),
      /** How many of the test rows it was measured on. */
      rows: z.int(),
      /** How much worse the metric becomes when the input is shuffled; the largest first. */
      inputs: z.array(z.strictObject({ name: z.string(), mean: z.number(), standardDeviation: z.number() })),
    })
    .nullable(),
  /** Largest difference to the native model: of probabilities, or of predictions in standard deviations of the label. */
  parity: z.strictObject({ rows: z.int(), largestDifference: z.number() }).nullable(),
  /** Losses by epoch, as the model keeps them. */
  learning: z.array(
    z.looseObject({ epoch: z.int(), trainLoss: z.number(), validationLoss: z.number(), learningRate: z.number() }),
  ),
  bestEpoch: z.int().nullable(),
});

export type Report = z.output<typeof reportSchema>;
export type MetricValue = z.output<typeof metricValue>;
export type SliceColumn = z.output<typeof sliceColumn>;

/** @throws ARTIFACT_CORRUPT - no report of this format. */
export async function readReport(artifact: Artifact): Promise<Report> {
  const path = `report ${artifact.digest.slice(0, 12)}`;
  try {
    return reportSchema.parse(JSON.parse(await readFile(join(artifact.directory, 'report.json'), 'utf8')));
  } catch (cause) {
    throw new MillraceError('ARTIFACT_CORRUPT', {
      path,
      expected: 'a report.json of format version 1',
      received: cause instanceof Error ? cause.message.slice(0, 200) : String(cause),
      hint: 'Evaluate the model again.',
      cause,
    });
  }
}
