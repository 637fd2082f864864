import type { BinaryPredictions, Evaluator } from './predictions.js';
import { rankRows } from './ranking.js';

/**
 * Average precision: sum over thresholds of (R_n - R_{n-1}) P_n, without interpolation; rows of equal score share a
 * threshold (as scikit-learn's average_precision_score).
 */
export function averagePrecision({ rows, label, probability }: BinaryPredictions): Evaluator {
  const { order, isGroupEnd } = rankRows(rows, (row) => -probability[row]!);
  const isPositive = Uint8Array.from(order, (row) => label[row]!);
  return (weight) => {
    let truePositive = 0;
    let predicted = 0;
    let counted = 0;
    let sum = 0;
    for (let i = 0; i < order.length; i++) {
      const w = weight[order[i]!]!;
      predicted += w;
      if (isPositive[i] === 1) truePositive += w;
      if (isGroupEnd[i] === 1) {
        if (predicted > 0) sum += (truePositive - counted) * (truePositive / predicted);
        counted = truePositive;
      }
    }
    return truePositive > 0 ? sum / truePositive : Number.NaN;
  };
}
