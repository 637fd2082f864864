import type { BinaryPredictions, Evaluator, MulticlassPredictions } from './predictions.js';
import { type Ranking, rankRows } from './ranking.js';

/**
 * Area under the ROC curve: the chance that a random row of the second class scores above a random one of the first,
 * ties counting half (Hanley and McNeil 1982). Weighted: sum over pairs of w+ w- [s+ > s-] + half the ties / (W+ W-).
 */
export function auc({ rows, label, probability }: BinaryPredictions): Evaluator {
  const ranking = rankRows(rows, (row) => probability[row]!);
  const isPositive = Uint8Array.from(ranking.order, (row) => label[row]!);
  return (weight) => pairShare(ranking, isPositive, weight);
}

/**
 * One-vs-rest AUC of each class, averaged without weights over the classes for which it is defined
 * (Fawcett 2006, section 10.1, in its macro form).
 */
export function macroAuc({ rows, classes, label, probabilities }: MulticlassPredictions): Evaluator {
  const prepared = Array.from({ length: classes }, (_, k) => {
    const ranking = rankRows(rows, (row) => probabilities[row * classes + k]!);
    return { ranking, isPositive: Uint8Array.from(ranking.order, (row) => (label[row] === k ? 1 : 0)) };
  });
  return (weight) => {
    let sum = 0;
    let defined = 0;
    for (const { ranking, isPositive } of prepared) {
      const value = pairShare(ranking, isPositive, weight);
      if (Number.isNaN(value)) continue;
      sum += value;
      defined++;
    }
    return sum / defined;
  };
}

function pairShare({ order, isGroupEnd }: Ranking, isPositive: Uint8Array, weight: Float64Array): number {
  let below = 0;
  let groupNegative = 0;
  let groupPositive = 0;
  let positive = 0;
  let pairs = 0;
  for (let i = 0; i < order.length; i++) {
    const w = weight[order[i]!]!;
    if (isPositive[i] === 1) groupPositive += w;
    else groupNegative += w;
    if (isGroupEnd[i] === 1) {
      pairs += groupPositive * (below + groupNegative / 2);
      below += groupNegative;
      positive += groupPositive;
      groupNegative = 0;
      groupPositive = 0;
    }
  }
  return positive > 0 && below > 0 ? pairs / (positive * below) : Number.NaN;
}
