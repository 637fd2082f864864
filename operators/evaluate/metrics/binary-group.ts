import { binsOf, CALIBRATION_BINS } from './calibration.js';
import type { BinaryPredictions } from './predictions.js';
import { rankRows } from './ranking.js';
import { clippedLogLoss } from './row-mean.js';

/** All metrics of a binary model under given row weights, by name; NaN where one is undefined. */
export type BinaryGroup = (weight: Float64Array) => Readonly<Record<string, number>>;

/**
 * What the metrics' own evaluators give, up to rounding, in one pass over the rows by falling score: a bootstrap of
 * nine metrics costs about what one of two costs. Formulas: see the metrics' own files.
 */
export function prepareBinaryGroup(predictions: BinaryPredictions): BinaryGroup {
  const { rows, label, probability, threshold } = predictions;
  const { order, isGroupEnd } = rankRows(rows, (row) => -probability[row]!);
  const isPositive = Uint8Array.from(order, (row) => label[row]!);
  const isPredicted = Uint8Array.from(order, (row) => (probability[row]! >= threshold ? 1 : 0));
  const score = Float64Array.from(order, (row) => probability[row]!);
  const loss = Float64Array.from(order, (row) => clippedLogLoss(label[row]!, probability[row]!));
  const rowBins = binsOf(predictions);
  const bin = Uint8Array.from(order, (row) => rowBins[row]!);
  const gap = new Float64Array(CALIBRATION_BINS);
  return (weight) => {
    gap.fill(0);
    let total = 0;
    let losses = 0;
    let squares = 0;
    let predicted = 0;
    let hits = 0;
    let positive = 0;
    let negative = 0;
    let pairs = 0;
    let precisions = 0;
    let groupPositive = 0;
    let groupNegative = 0;
    for (let i = 0; i < rows; i++) {
      const w = weight[order[i]!]!;
      if (w !== 0) {
        const y = isPositive[i]!;
        const p = score[i]!;
        total += w;
        losses += w * loss[i]!;
        squares += w * (p - y) * (p - y);
        gap[bin[i]!]! += w * (p - y);
        if (isPredicted[i] === 1) {
          predicted += w;
          if (y === 1) hits += w;
        }
        if (y === 1) groupPositive += w;
        else groupNegative += w;
      }
      if (isGroupEnd[i] === 1 && groupPositive + groupNegative > 0) {
        pairs += groupNegative * (positive + groupPositive / 2);
        positive += groupPositive;
        negative += groupNegative;
        precisions += groupPositive * (positive / (positive + negative));
        groupPositive = 0;
        groupNegative = 0;
      }
    }
    if (total === 0) return {};
    const isMixed = positive > 0 && negative > 0;
    return {
      auc: isMixed ? pairs / (positive * negative) : Number.NaN,
      logLoss: losses / total,
      accuracy: (negative - predicted + 2 * hits) / total,
      precision: predicted > 0 ? hits / predicted : 0,
      recall: positive > 0 ? hits / positive : 0,
      f1: predicted + positive > 0 ? (2 * hits) / (predicted + positive) : 0,
      averagePrecision: positive > 0 ? precisions / positive : Number.NaN,
      brier: squares / total,
      calibrationError: gap.reduce((sum, value) => sum + Math.abs(value), 0) / total,
    };
  };
}
