import type { RegressionPredictions } from './predictions.js';

/** Residuals (label - prediction) of one target. */
export interface Residuals {
  /** Groups of rows of about equal size, by rising prediction: how the residuals lie there. */
  readonly groups: readonly {
    readonly rows: number;
    readonly prediction: number;
    readonly low: number;
    readonly median: number;
    readonly high: number;
  }[];
  /** Counts over equal-width bins between the 0.5% and 99.5% quantiles; what lies outside is in the end bins. */
  readonly histogram: { readonly low: number; readonly high: number; readonly counts: readonly number[] };
  /** Some rows, evenly spaced in the dataset's order. */
  readonly points: readonly { readonly prediction: number; readonly label: number }[];
}

const GROUPS = 20;
const BINS = 40;
const POINTS = 200;

/** `low`, `median` and `high` are the 5%, 50% and 95% quantiles (type 7) of a group's residuals. */
export function residuals({ rows, targets, label, prediction }: RegressionPredictions, target: number): Residuals {
  const at = (row: number) => row * targets + target;
  const order = new Uint32Array(rows);
  for (let row = 0; row < rows; row++) order[row] = row;
  order.sort((a, b) => prediction[at(a)]! - prediction[at(b)]! || a - b);
  const groups = [];
  const count = Math.min(GROUPS, rows);
  for (let group = 0; group < count; group++) {
    const members = order.subarray(Math.floor((group * rows) / count), Math.floor(((group + 1) * rows) / count));
    const values = Float64Array.from(members, (row) => label[at(row)]! - prediction[at(row)]!).sort();
    let sum = 0;
    for (const row of members) sum += prediction[at(row)]!;
    groups.push({
      rows: members.length,
      prediction: sum / members.length,
      low: quantile(values, 0.05),
      median: quantile(values, 0.5),
      high: quantile(values, 0.95),
    });
  }
  const all = new Float64Array(rows);
  for (let row = 0; row < rows; row++) all[row] = label[at(row)]! - prediction[at(row)]!;
  const pointRows = Array.from({ length: Math.min(POINTS, rows) }, (_, i) =>
    Math.floor((i * rows) / Math.min(POINTS, rows)),
  );
  return {
    groups,
    histogram: histogramOf(all.sort()),
    points: pointRows.map((row) => ({ prediction: prediction[at(row)]!, label: label[at(row)]! })),
  };
}

function histogramOf(sorted: Float64Array): Residuals['histogram'] {
  const low = quantile(sorted, 0.005);
  const high = quantile(sorted, 0.995);
  const counts = new Array<number>(BINS).fill(0);
  for (const value of sorted) {
    const bin = high > low ? Math.floor(((value - low) / (high - low)) * BINS) : 0;
    counts[Math.min(BINS - 1, Math.max(0, bin))]! += 1;
  }
  return { low, high, counts };
}

/** Type 7: linear between order statistics (Hyndman and Fan 1996). NaN for none. */
export function quantile(sorted: Float64Array, q: number): number {
  if (sorted.length === 0) return Number.NaN;
  const position = (sorted.length - 1) * q;
  const below = Math.floor(position);
  const value = sorted[below]!;
  return below + 1 < sorted.length ? value + (position - below) * (sorted[below + 1]! - value) : value;
}
