import { type BinaryPredictions, type Evaluator, type MulticlassPredictions, topClasses } from './predictions.js';

export type ClassScore = 'precision' | 'recall' | 'f1';

/**
 * Of the second class at the threshold: precision = TP / (TP + FP), recall = TP / (TP + FN),
 * F1 = 2 TP / (2 TP + FP + FN); 0 where the denominator is 0.
 */
export function binaryClassScore(
  { rows, label, probability, threshold }: BinaryPredictions,
  score: ClassScore,
): Evaluator {
  const predicted = new Uint8Array(rows);
  for (let row = 0; row < rows; row++) predicted[row] = probability[row]! >= threshold ? 1 : 0;
  return (weight) => {
    let truePositive = 0;
    let predictedPositive = 0;
    let positive = 0;
    let total = 0;
    for (let row = 0; row < rows; row++) {
      const w = weight[row]!;
      total += w;
      if (label[row] === 1) {
        positive += w;
        if (predicted[row] === 1) truePositive += w;
      }
      if (predicted[row] === 1) predictedPositive += w;
    }
    return total > 0 ? ratio(score, truePositive, predictedPositive, positive) : Number.NaN;
  };
}

/**
 * The score of each class against the rest, averaged without weights over the classes that occur among labels or
 * predictions (scikit-learn's average='macro', zero_division=0).
 */
export function macroClassScore(predictions: MulticlassPredictions, score: ClassScore): Evaluator {
  const { rows, classes, label } = predictions;
  const top = topClasses(predictions);
  return (weight) => {
    const truePositive = new Float64Array(classes);
    const predicted = new Float64Array(classes);
    const actual = new Float64Array(classes);
    for (let row = 0; row < rows; row++) {
      const w = weight[row]!;
      const y = label[row]!;
      actual[y]! += w;
      predicted[top[row]!]! += w;
      if (top[row] === y) truePositive[y]! += w;
    }
    let sum = 0;
    let present = 0;
    for (let k = 0; k < classes; k++) {
      if (actual[k] === 0 && predicted[k] === 0) continue;
      sum += ratio(score, truePositive[k]!, predicted[k]!, actual[k]!);
      present++;
    }
    return sum / present;
  };
}

function ratio(score: ClassScore, truePositive: number, predicted: number, actual: number): number {
  if (score === 'precision') return predicted > 0 ? truePositive / predicted : 0;
  if (score === 'recall') return actual > 0 ? truePositive / actual : 0;
  return predicted + actual > 0 ? (2 * truePositive) / (predicted + actual) : 0;
}
