import type { BinaryPredictions } from './predictions.js';
import { rankRows } from './ranking.js';

/** A point of a curve and the threshold that gives it: rows at or above it are predicted as the second class. */
export interface CurvePoint {
  readonly x: number;
  readonly y: number;
  /** null at the start, where no row is predicted. */
  readonly threshold: number | null;
}

/** x = false positive rate, y = true positive rate, by falling threshold, from (0, 0) to (1, 1) (Fawcett 2006). */
export function rocCurve(predictions: BinaryPredictions, weight: Float64Array): CurvePoint[] {
  const { steps, positive, negative } = thresholdSteps(predictions, weight);
  return [
    { x: 0, y: 0, threshold: null },
    ...steps.map((step) => ({
      x: step.falsePositive / negative,
      y: step.truePositive / positive,
      threshold: step.threshold,
    })),
  ];
}

/** x = recall, y = precision, by falling threshold; it begins at recall 0 with precision 1, as scikit-learn draws it. */
export function precisionRecallCurve(predictions: BinaryPredictions, weight: Float64Array): CurvePoint[] {
  const { steps, positive } = thresholdSteps(predictions, weight);
  return [
    { x: 0, y: 1, threshold: null },
    ...steps
      .filter((step) => step.truePositive + step.falsePositive > 0)
      .map((step) => ({
        x: step.truePositive / positive,
        y: step.truePositive / (step.truePositive + step.falsePositive),
        threshold: step.threshold,
      })),
  ];
}

/** At most `limit` points, evenly spread along the curve's length; the ends stay. */
export function thinCurve(points: readonly CurvePoint[], limit: number): readonly CurvePoint[] {
  if (points.length <= limit) return points;
  const along = new Float64Array(points.length);
  for (let i = 1; i < points.length; i++) {
    along[i] = along[i - 1]! + Math.abs(points[i]!.x - points[i - 1]!.x) + Math.abs(points[i]!.y - points[i - 1]!.y);
  }
  const length = along[points.length - 1]!;
  const kept: CurvePoint[] = [points[0]!];
  let next = 1;
  for (let i = 1; i < points.length - 1 && kept.length < limit - 1; i++) {
    if (along[i]! < (length * next) / (limit - 1)) continue;
    kept.push(points[i]!);
    while (along[i]! >= (length * next) / (limit - 1)) next++;
  }
  kept.push(points[points.length - 1]!);
  return kept;
}

interface Step {
  readonly threshold: number;
  readonly truePositive: number;
  readonly falsePositive: number;
}

function thresholdSteps({ rows, label, probability }: BinaryPredictions, weight: Float64Array) {
  const { order, isGroupEnd } = rankRows(rows, (row) => -probability[row]!);
  const steps: Step[] = [];
  let truePositive = 0;
  let falsePositive = 0;
  for (let i = 0; i < rows; i++) {
    const row = order[i]!;
    if (label[row] === 1) truePositive += weight[row]!;
    else falsePositive += weight[row]!;
    if (isGroupEnd[i] === 1) steps.push({ threshold: probability[row]!, truePositive, falsePositive });
  }
  return { steps, positive: truePositive, negative: falsePositive };
}
