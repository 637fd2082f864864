import { affordableResamples, bootstrapIntervals, type Interval, type Measured } from './bootstrap.js';
import { prepareMetric } from './metrics/metric-table.js';
import { type Predictions, selectRows } from './metrics/predictions.js';
import type { MetricValue } from './report.js';
import type { SliceGroups } from './slice-groups.js';

export interface MeasureRequest {
  readonly predictions: Predictions;
  readonly metrics: readonly string[];
  readonly slices: readonly SliceGroups[];
  readonly resamples: number;
  readonly seed: number;
  readonly signal: AbortSignal;
}

export interface Measurement {
  readonly metrics: Record<string, MetricValue>;
  /** By slice column, by group. */
  readonly slices: readonly (readonly Record<string, MetricValue>[])[];
  /** How many there were: fewer than asked for where they would take long. */
  readonly resamples: number;
}

/** Values and intervals of the metrics, over all rows and in each slice, from the same resamples. */
export async function measure(request: MeasureRequest): Promise<Measurement> {
  const { predictions, metrics, slices, seed, signal } = request;
  const weight = new Float64Array(predictions.rows).fill(1);
  const measured: Measured[] = metrics.map((name) => ({ evaluator: prepareMetric(predictions, name), rows: null }));
  for (const { groups } of slices) {
    for (const { rows } of groups) {
      const part = selectRows(predictions, rows);
      for (const name of metrics) measured.push({ evaluator: prepareMetric(part, name), rows });
    }
  }
  const values = measured.map(({ evaluator, rows }) =>
    evaluator(rows === null ? weight : weight.subarray(0, rows.length)),
  );
  const width =
    predictions.task === 'binary' ? 1 : predictions.task === 'multiclass' ? predictions.classes : predictions.targets;
  const visits = measured.reduce((sum, { rows }, i) => {
    const isWide =
      predictions.task === 'regression' || (predictions.task === 'multiclass' && metrics[i % metrics.length] === 'auc');
    return sum + (rows?.length ?? predictions.rows) * (isWide ? width : 1);
  }, 4 * predictions.rows);
  const resamples = affordableResamples(request.resamples, visits);
  const intervals: readonly (Interval | null)[] =
    resamples === 0
      ? measured.map(() => null)
      : await bootstrapIntervals({ rows: predictions.rows, weight, resamples, seed, signal }, measured);
  let next = 0;
  const take = (): Record<string, MetricValue> => {
    const entries = metrics.map((name, i): [string, MetricValue] => {
      const value = values[next + i]!;
      return [
        name,
        Number.isFinite(value) ? { value, interval: intervals[next + i]! } : { value: null, interval: null },
      ];
    });
    next += metrics.length;
    return Object.fromEntries(entries);
  };
  return { metrics: take(), slices: slices.map(({ groups }) => groups.map(take)), resamples };
}
