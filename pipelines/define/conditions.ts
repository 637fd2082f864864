import { z } from 'zod';

/** A bar for a metric of the report: the value, or with `confidence` the unfavorable end of its 95% interval. */
export interface MetricBar<out M extends string = string> {
  readonly kind: 'atLeast' | 'atMost';
  readonly metric: M;
  readonly bar: number;
  readonly confidence: 0.95 | null;
}

/** The candidate against the version that an alias points at, both scored on the same rows. */
export interface NoWorseThan<out M extends string = string> {
  readonly kind: 'noWorseThan';
  readonly alias: string;
  readonly metric: M;
  readonly margin: number;
  readonly confidence: 0.95 | null;
}

/** A bar for every value of a slice column that has enough rows. */
export interface PerSlice<out M extends string = string> {
  readonly kind: 'perSlice';
  readonly column: string;
  readonly condition: MetricBar<M>;
  readonly minimumRows: number;
}

/** A bar for the largest difference between the exported and the native model on the test split. */
export interface ParityBar {
  readonly kind: 'parity';
  readonly atMost: number;
}

/** A bar for the time of one call of the exported model, on the machine that judges. */
export interface LatencyBar {
  readonly kind: 'latency';
  readonly p: number;
  readonly atMostMs: number;
  readonly batch: number;
}

/** What a gate demands. `M` are the metrics that it speaks of. */
export type Condition<M extends string = string> = MetricBar<M> | NoWorseThan<M> | PerSlice<M> | ParityBar | LatencyBar;

const name = z.string().min(1).max(128);
const confidence = z.literal(0.95).nullable().default(null);
const metricBarSchema = z.strictObject({
  kind: z.enum(['atLeast', 'atMost']),
  metric: name,
  bar: z.number(),
  confidence,
});

/** The resolved form, as plans and verdicts hold it. */
export const conditionSchema = z.discriminatedUnion('kind', [
  metricBarSchema,
  z.strictObject({ kind: z.literal('noWorseThan'), alias: name, metric: name, margin: z.number().min(0), confidence }),
  z.strictObject({
    kind: z.literal('perSlice'),
    column: z.string().min(1),
    condition: metricBarSchema,
    minimumRows: z.int().min(1),
  }),
  z.strictObject({ kind: z.literal('parity'), atMost: z.number().min(0) }),
  z.strictObject({
    kind: z.literal('latency'),
    p: z.number().gt(0).lt(100),
    atMostMs: z.number().gt(0),
    batch: z.int().min(1).max(65_536),
  }),
]);

/**
 * The metric must reach the bar.
 *
 * @param options.confidence - 0.95: the lower end of the 95% bootstrap interval must reach it. Default: the value.
 */
export function atLeast<const M extends string>(
  metric: M,
  bar: number,
  options: { readonly confidence?: 0.95 } = {},
): MetricBar<M> {
  return Object.freeze({ kind: 'atLeast', metric, bar, confidence: options.confidence ?? null });
}

/**
 * The metric must not exceed the bar.
 *
 * @param options.confidence - 0.95: the upper end of the 95% bootstrap interval must not exceed it. Default: the value.
 */
export function atMost<const M extends string>(
  metric: M,
  bar: number,
  options: { readonly confidence?: 0.95 } = {},
): MetricBar<M> {
  return Object.freeze({ kind: 'atMost', metric, bar, confidence: options.confidence ?? null });
}

/**
 * The metric may fall behind the alias's version by at most `margin`, on the test rows that this version has not seen.
 * Where the alias points nowhere the gate passes, recorded as `no-baseline`.
 *
 * @param alias - usually 'champion'.
 * @param options.margin - in the metric's own unit, whichever direction is better. Default 0.
 * @param options.confidence - 0.95: the unfavorable end of the paired bootstrap interval of the difference must stay
 * within the margin (a test of non-inferiority). Default: the difference.
 */
export function noWorseThan<const M extends string>(
  alias: string,
  metric: M,
  options: { readonly margin?: number; readonly confidence?: 0.95 } = {},
): NoWorseThan<M> {
  return Object.freeze({
    kind: 'noWorseThan',
    alias,
    metric,
    margin: options.margin ?? 0,
    confidence: options.confidence ?? null,
  });
}

/**
 * The bar must hold for every value of a slice column; the column must be among the report's slices.
 *
 * @param options.minimumRows - values with fewer test rows are not judged. Default 100.
 */
export function perSlice<const M extends string>(
  column: string,
  condition: MetricBar<M>,
  options: { readonly minimumRows?: number } = {},
): PerSlice<M> {
  return Object.freeze({ kind: 'perSlice', column, condition, minimumRows: options.minimumRows ?? 100 });
}

/**
 * The exported model must agree with the native one on the test split.
 *
 * @param options.atMost - largest difference of probabilities, or of predictions in standard deviations of the label.
 * Default 1e-5.
 */
export function parity(options: { readonly atMost?: number } = {}): ParityBar {
  return Object.freeze({ kind: 'parity', atMost: options.atMost ?? 1e-5 });
}

/**
 * The exported model must answer in time, on one thread of the machine that judges.
 *
 * @param options.p - the percentile. Default 99.
 * @param options.batch - rows of one call. Default 1.
 */
export function latency(options: {
  readonly atMostMs: number;
  readonly p?: number;
  readonly batch?: number;
}): LatencyBar {
  return Object.freeze({ kind: 'latency', p: options.p ?? 99, atMostMs: options.atMostMs, batch: options.batch ?? 1 });
}
