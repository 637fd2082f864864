import { type BinaryPredictions, type Evaluator, type MulticlassPredictions, topClasses } from './predictions.js';

/** float64 machine epsilon: probabilities are kept this far from 0 and 1 before the logarithm, as scikit-learn does. */
const EPSILON = 2 ** -52;

/** The weighted mean of one number per row; NaN where no weight is left. */
export function weightedMean(values: Float64Array): Evaluator {
  return (weight) => {
    let sum = 0;
    let total = 0;
    for (let row = 0; row < values.length; row++) {
      const w = weight[row]!;
      sum += w * values[row]!;
      total += w;
    }
    return total > 0 ? sum / total : Number.NaN;
  };
}

/** Mean of -ln p(true class); p is kept within [epsilon, 1 - epsilon]. */
export function binaryLogLoss({ rows, label, probability }: BinaryPredictions): Evaluator {
  const loss = new Float64Array(rows);
  for (let row = 0; row < rows; row++) loss[row] = clippedLogLoss(label[row]!, probability[row]!);
  return weightedMean(loss);
}

/** Mean of -ln p(true class); p is kept within [epsilon, 1 - epsilon]. */
export function multiclassLogLoss({ rows, classes, label, probabilities }: MulticlassPredictions): Evaluator {
  const loss = new Float64Array(rows);
  for (let row = 0; row < rows; row++) loss[row] = -Math.log(clip(probabilities[row * classes + label[row]!]!));
  return weightedMean(loss);
}

/** Share of rows whose class at the threshold is the true one. */
export function binaryAccuracy({ label, probability, threshold }: BinaryPredictions): Evaluator {
  return weightedMean(Float64Array.from(label, (y, row) => (probability[row]! >= threshold === (y === 1) ? 1 : 0)));
}

/** Share of rows whose most probable class is the true one. */
export function topAccuracy(predictions: MulticlassPredictions): Evaluator {
  const top = topClasses(predictions);
  return weightedMean(Float64Array.from(predictions.label, (y, row) => (top[row] === y ? 1 : 0)));
}

/** Mean of (p - y)^2, y in {0, 1} (Brier 1950, in its binary form). */
export function brier({ label, probability }: BinaryPredictions): Evaluator {
  return weightedMean(Float64Array.from(label, (y, row) => (probability[row]! - y) ** 2));
}

/** -ln p(true class) of one row; p is kept within [epsilon, 1 - epsilon]. */
export function clippedLogLoss(label: number, probability: number): number {
  const p = clip(probability);
  return -Math.log(label === 1 ? p : 1 - p);
}

function clip(p: number): number {
  return Math.min(Math.max(p, EPSILON), 1 - EPSILON);
}
