import type { Evaluator, RegressionPredictions } from './predictions.js';

/** sqrt(mean (prediction - label)^2); several targets: the mean of their RMSEs. */
export function rmse(predictions: RegressionPredictions): Evaluator {
  return meanOverTargets(predictions, (target, weight) => {
    const { total, squares } = errorSums(predictions, target, weight);
    return Math.sqrt(squares / total);
  });
}

/** mean |prediction - label|; several targets: the mean of their MAEs. */
export function mae(predictions: RegressionPredictions): Evaluator {
  const { rows, targets, label, prediction } = predictions;
  return meanOverTargets(predictions, (target, weight) => {
    let sum = 0;
    let total = 0;
    for (let row = 0, i = target; row < rows; row++, i += targets) {
      const w = weight[row]!;
      sum += w * Math.abs(prediction[i]! - label[i]!);
      total += w;
    }
    return sum / total;
  });
}

/**
 * Coefficient of determination, 1 - sum (y - p)^2 / sum (y - mean y)^2; several targets: their mean.
 * A label without spread gives 1 where it is met exactly and 0 otherwise (scikit-learn's r2_score); NaN for one row.
 */
export function r2(predictions: RegressionPredictions): Evaluator {
  const { rows, targets, label } = predictions;
  return meanOverTargets(predictions, (target, weight) => {
    const { total, squares, weighted, counted } = errorSums(predictions, target, weight);
    if (counted < 2) return Number.NaN;
    const mean = weighted / total;
    let spread = 0;
    for (let row = 0, i = target; row < rows; row++, i += targets) spread += weight[row]! * (label[i]! - mean) ** 2;
    if (spread === 0) return squares === 0 ? 1 : 0;
    return 1 - squares / spread;
  });
}

function errorSums(
  { rows, targets, label, prediction }: RegressionPredictions,
  target: number,
  weight: Float64Array,
): { total: number; squares: number; weighted: number; counted: number } {
  let total = 0;
  let squares = 0;
  let weighted = 0;
  let counted = 0;
  for (let row = 0, i = target; row < rows; row++, i += targets) {
    const w = weight[row]!;
    if (w === 0) continue;
    counted += 1;
    total += w;
    squares += w * (prediction[i]! - label[i]!) ** 2;
    weighted += w * label[i]!;
  }
  return { total, squares, weighted, counted };
}

function meanOverTargets(
  { targets }: RegressionPredictions,
  evaluate: (target: number, weight: Float64Array) => number,
): Evaluator {
  return (weight) => {
    let sum = 0;
    for (let target = 0; target < targets; target++) sum += evaluate(target, weight);
    return sum / targets;
  };
}
