import { affordableResamples, bootstrapIntervals, type Measured } from './bootstrap.js';
import { prepareBinaryGroup } from './metrics/binary-group.js';
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
  const parts: { readonly predictions: Predictions; readonly rows: Uint32Array | null }[] = [
    { predictions, rows: null },
    ...slices.flatMap(({ groups }) => groups.map(({ rows }) => ({ predictions: selectRows(predictions, rows), rows }))),
  ];
  const evaluators = parts.map((part) => metrics.map((name) => prepareMetric(part.predictions, name)));
  const weight = new Float64Array(predictions.rows).fill(1);
  const measured = parts.map(
    (part, i): Measured => ({
      names: metrics,
      rows: part.rows,
      evaluate:
        part.predictions.task === 'binary'
          ? prepareBinaryGroup(part.predictions)
          : (drawn) => Object.fromEntries(metrics.map((name, k) => [name, evaluators[i]![k]!(drawn)])),
    }),
  );
  const visits = parts.reduce(
    (sum, part) => sum + part.predictions.rows * visitsOfRow(part.predictions, metrics),
    4 * predictions.rows,
  );
  const resamples = affordableResamples(request.resamples, visits);
  const intervals =
    resamples === 0
      ? null
      : await bootstrapIntervals({ rows: predictions.rows, weight, resamples, seed, signal }, measured);
  const results = parts.map((part, i) => {
    const found = intervals === null ? {} : intervals[i]!;
    const all = weight.subarray(0, part.predictions.rows);
    const entries = metrics.map((name, k): [string, MetricValue] => {
      const value = evaluators[i]![k]!(all);
      // An undefined value has no interval, whatever the resamples gave.
      if (!Number.isFinite(value)) return [name, { value: null, interval: null }];
      return [name, { value, interval: found[name] ?? null }];
    });
    return Object.fromEntries(entries);
  });
  let next = 1;
  return { metrics: results[0]!, slices: slices.map(({ groups }) => groups.map(() => results[next++]!)), resamples };
}

/** How often a resample passes over a row, about. */
function visitsOfRow(predictions: Predictions, metrics: readonly string[]): number {
  if (predictions.task === 'binary') return 4;
  if (predictions.task === 'regression') return metrics.length * predictions.targets;
  return metrics.reduce((sum, name) => sum + (name === 'auc' ? predictions.classes : 1), 0);
}
