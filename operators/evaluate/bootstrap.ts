import { setImmediate } from 'node:timers/promises';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import { quantile } from './metrics/residuals.js';
import { createRandom } from './random.js';

/** Ends of a 95% percentile interval (Efron and Tibshirani 1993, chapter 13). */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

export interface Resampling {
  readonly rows: number;
  /** Row weights; a resample multiplies them by how often it drew the row. */
  readonly weight: Float64Array;
  readonly resamples: number;
  readonly seed: number;
  readonly signal: AbortSignal;
}

/** Metrics over all rows (`rows` null) or over those of a slice; the weights follow this order. */
export interface Measured {
  readonly names: readonly string[];
  readonly evaluate: (weight: Float64Array) => Readonly<Record<string, number>>;
  readonly rows: Uint32Array | null;
}

/** Passes over rows that one bootstrap may take: about 10 s on one core. */
const ROW_VISITS = 3e9;
const LEAST_RESAMPLES = 200;

/** Fewer resamples than asked for where they would take long: at least 200. */
export function affordableResamples(requested: number, visitsOfOne: number): number {
  if (requested <= LEAST_RESAMPLES) return requested;
  return Math.min(requested, Math.max(LEAST_RESAMPLES, Math.floor(ROW_VISITS / Math.max(1, visitsOfOne))));
}

/**
 * Draws `rows` rows with replacement, `resamples` times, and shows each draw as weights.
 * A function of (seed, index of the resample, rows) alone. The event loop gets a turn about every 50 ms.
 *
 * @param visit - gets the same array each time.
 * @throws CANCELLED
 */
export async function visitResamples(
  { rows, weight, resamples, seed, signal }: Resampling,
  visit: (weight: Float64Array, index: number) => void,
): Promise<void> {
  const drawn = new Float64Array(rows);
  let turnAt = performance.now() + 50;
  for (let index = 0; index < resamples; index++) {
    const random = createRandom(seed, index + 1);
    drawn.fill(0);
    for (let i = 0; i < rows; i++) drawn[random.below(rows)]! += 1;
    for (let row = 0; row < rows; row++) drawn[row]! *= weight[row]!;
    visit(drawn, index);
    if (performance.now() < turnAt) continue;
    await setImmediate();
    if (signal.aborted) {
      throw new MillraceError('CANCELLED', {
        path: 'evaluate.bootstrap',
        expected: 'to run to its end',
        received: 'a cancellation',
        retryable: true,
      });
    }
    turnAt = performance.now() + 50;
  }
}

/**
 * 95% percentile intervals of several metrics from the same resamples: for each of `measured`, by name.
 *
 * @returns null for a metric that is undefined in half of the resamples or more, or without resamples; otherwise the
 * resamples in which it is undefined are left out.
 */
export async function bootstrapIntervals(
  resampling: Resampling,
  measured: readonly Measured[],
): Promise<readonly Readonly<Record<string, Interval | null>>[]> {
  const values = measured.map(({ names }) => names.map(() => new Float64Array(resampling.resamples)));
  const weights = measured.map(({ rows }) => (rows === null ? null : new Float64Array(rows.length)));
  await visitResamples(resampling, (weight, index) => {
    for (let i = 0; i < measured.length; i++) {
      const { names, evaluate, rows } = measured[i]!;
      const gathered = weights[i] ?? weight;
      if (rows !== null) for (let j = 0; j < rows.length; j++) gathered[j] = weight[rows[j]!]!;
      const found = evaluate(gathered);
      for (let k = 0; k < names.length; k++) values[i]![k]![index] = found[names[k]!] ?? Number.NaN;
    }
  });
  return measured.map(({ names }, i) => Object.fromEntries(names.map((name, k) => [name, intervalOf(values[i]![k]!)])));
}

/** The 2.5% and 97.5% quantiles of the values that are defined; null where half or more are not. */
export function intervalOf(values: Float64Array): Interval | null {
  const defined = values.filter((value) => !Number.isNaN(value)).sort();
  if (defined.length * 2 <= values.length) return null;
  return { low: quantile(defined, 0.025), high: quantile(defined, 0.975) };
}
