import type { BinaryPredictions, Evaluator } from './predictions.js';

/** Equal-width bins over [0, 1], as in Guo et al. 2017; a probability on an edge belongs to the bin below it. */
export const CALIBRATION_BINS = 15;

/** One bin of the reliability diagram. */
export interface CalibrationBin {
  readonly low: number;
  readonly high: number;
  readonly rows: number;
  /** Mean probability of its rows. */
  readonly predicted: number;
  /** Share of its rows that are of the second class. */
  readonly observed: number;
}

/**
 * Expected calibration error of the second class's probability:
 * sum over bins of (W_b / W) |mean probability - observed share| (Naeini et al. 2015; Guo et al. 2017, eq. 5).
 */
export function calibrationError(predictions: BinaryPredictions): Evaluator {
  const bins = binsOf(predictions);
  return (weight) => {
    const { total, predicted, observed } = sumBins(predictions, bins, weight);
    let gap = 0;
    let all = 0;
    for (let bin = 0; bin < CALIBRATION_BINS; bin++) {
      gap += Math.abs(predicted[bin]! - observed[bin]!);
      all += total[bin]!;
    }
    return all > 0 ? gap / all : Number.NaN;
  };
}

/** The reliability diagram; empty bins are left out. */
export function calibrationCurve(predictions: BinaryPredictions, weight: Float64Array): readonly CalibrationBin[] {
  const bins = binsOf(predictions);
  const { total, predicted, observed } = sumBins(predictions, bins, weight);
  const rows = new Float64Array(CALIBRATION_BINS);
  for (const bin of bins) rows[bin]! += 1;
  return Array.from(total, (sum, bin) => ({
    low: bin / CALIBRATION_BINS,
    high: (bin + 1) / CALIBRATION_BINS,
    rows: rows[bin]!,
    predicted: predicted[bin]! / sum,
    observed: observed[bin]! / sum,
  })).filter((_, bin) => total[bin]! > 0);
}

/** The bin of each row. */
export function binsOf({ rows, probability }: BinaryPredictions): Uint8Array {
  const bins = new Uint8Array(rows);
  for (let row = 0; row < rows; row++) {
    const p = probability[row]!;
    let bin = Math.min(CALIBRATION_BINS - 1, Math.max(0, Math.ceil(p * CALIBRATION_BINS) - 1));
    // p * 15 rounds: settle the bin by the edges themselves, i / 15.
    while (bin > 0 && p <= bin / CALIBRATION_BINS) bin--;
    while (bin < CALIBRATION_BINS - 1 && p > (bin + 1) / CALIBRATION_BINS) bin++;
    bins[row] = bin;
  }
  return bins;
}

function sumBins({ rows, label, probability }: BinaryPredictions, bins: Uint8Array, weight: Float64Array) {
  const total = new Float64Array(CALIBRATION_BINS);
  const predicted = new Float64Array(CALIBRATION_BINS);
  const observed = new Float64Array(CALIBRATION_BINS);
  for (let row = 0; row < rows; row++) {
    const bin = bins[row]!;
    const w = weight[row]!;
    total[bin]! += w;
    predicted[bin]! += w * probability[row]!;
    if (label[row] === 1) observed[bin]! += w;
  }
  return { total, predicted, observed };
}
