import { auc, macroAuc } from './auc.js';
import { averagePrecision } from './average-precision.js';
import { calibrationError } from './calibration.js';
import { binaryClassScore, macroClassScore } from './precision-recall.js';
import type {
  BinaryPredictions,
  Evaluator,
  MulticlassPredictions,
  Predictions,
  RegressionPredictions,
} from './predictions.js';
import { mae, r2, rmse } from './regression-errors.js';
import { binaryAccuracy, binaryLogLoss, brier, multiclassLogLoss, topAccuracy } from './row-mean.js';

export type Direction = 'higher' | 'lower';

interface MetricRule<P> {
  /** Which way is better. */
  readonly direction: Direction;
  /** For people. */
  readonly title: string;
  readonly prepare: (predictions: P) => Evaluator;
}

const binary: Readonly<Record<string, MetricRule<BinaryPredictions>>> = {
  auc: { direction: 'higher', title: 'AUC', prepare: auc },
  logLoss: { direction: 'lower', title: 'Log loss', prepare: binaryLogLoss },
  accuracy: { direction: 'higher', title: 'Accuracy', prepare: binaryAccuracy },
  precision: { direction: 'higher', title: 'Precision', prepare: (of) => binaryClassScore(of, 'precision') },
  recall: { direction: 'higher', title: 'Recall', prepare: (of) => binaryClassScore(of, 'recall') },
  f1: { direction: 'higher', title: 'F1', prepare: (of) => binaryClassScore(of, 'f1') },
  averagePrecision: { direction: 'higher', title: 'Average precision', prepare: averagePrecision },
  brier: { direction: 'lower', title: 'Brier score', prepare: brier },
  calibrationError: { direction: 'lower', title: 'Calibration error', prepare: calibrationError },
};

const multiclass: Readonly<Record<string, MetricRule<MulticlassPredictions>>> = {
  auc: { direction: 'higher', title: 'AUC (macro, one against the rest)', prepare: macroAuc },
  logLoss: { direction: 'lower', title: 'Log loss', prepare: multiclassLogLoss },
  accuracy: { direction: 'higher', title: 'Accuracy', prepare: topAccuracy },
  precision: { direction: 'higher', title: 'Precision (macro)', prepare: (of) => macroClassScore(of, 'precision') },
  recall: { direction: 'higher', title: 'Recall (macro)', prepare: (of) => macroClassScore(of, 'recall') },
  f1: { direction: 'higher', title: 'F1 (macro)', prepare: (of) => macroClassScore(of, 'f1') },
};

const regression: Readonly<Record<string, MetricRule<RegressionPredictions>>> = {
  rmse: { direction: 'lower', title: 'RMSE', prepare: rmse },
  mae: { direction: 'lower', title: 'MAE', prepare: mae },
  r2: { direction: 'higher', title: 'R²', prepare: r2 },
};

const tables = { binary, multiclass, regression } as const;

/** The metrics of a task, in the order of reports. */
export function metricNames(task: Predictions['task']): readonly string[] {
  return Object.keys(tables[task]);
}

export function metricDirection(task: Predictions['task'], name: string): Direction {
  return ruleOf(task, name).direction;
}

export function metricTitle(task: Predictions['task'], name: string): string {
  return ruleOf(task, name).title;
}

/** Sorts and transforms once; the evaluator then takes one pass per set of weights. */
export function prepareMetric(predictions: Predictions, name: string): Evaluator {
  // The task picks the table, so that rule and predictions belong together.
  return (ruleOf(predictions.task, name) as MetricRule<Predictions>).prepare(predictions);
}

function ruleOf(task: Predictions['task'], name: string): MetricRule<never> {
  const table: Readonly<Record<string, MetricRule<never>>> = tables[task];
  const rule = Object.hasOwn(table, name) ? table[name] : undefined;
  if (rule === undefined) throw new RangeError(`no metric ${name} for ${task}`);
  return rule;
}
