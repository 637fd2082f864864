import { describe, expect, it } from 'vitest';
import { calibrationCurve } from '../../../../operators/evaluate/metrics/calibration.js';
import { precisionRecallCurve, rocCurve } from '../../../../operators/evaluate/metrics/curves.js';
import { metricNames, prepareMetric } from '../../../../operators/evaluate/metrics/metric-table.js';
import type {
  BinaryPredictions,
  MulticlassPredictions,
  Predictions,
  RegressionPredictions,
} from '../../../../operators/evaluate/metrics/predictions.js';
import { createRandom } from '../../../../operators/evaluate/random.js';
import { runPython } from '../../../peers/python.js';

/** scikit-learn on the same numbers. The calibration error has no function there: it is written out in numpy. */
const reference = `
import warnings
import numpy as np
from sklearn import metrics as m
warnings.simplefilter('ignore')

def binary(c):
    y, p, w = np.array(c['label']), np.array(c['probability']), np.array(c['weight'])
    h = (p >= c['threshold']).astype(int)
    edges = np.arange(1, 15) / 15
    bins = np.searchsorted(edges, p)
    total = np.bincount(bins, w, 15)
    keep = total > 0
    predicted, observed = np.bincount(bins, w * p, 15), np.bincount(bins, w * y, 15)
    fpr, tpr, _ = m.roc_curve(y, p, sample_weight=w, drop_intermediate=False)
    precision, recall, _ = m.precision_recall_curve(y, p, sample_weight=w, drop_intermediate=False)
    return {
        'auc': m.roc_auc_score(y, p, sample_weight=w),
        'logLoss': m.log_loss(y, p, sample_weight=w, labels=[0, 1]),
        'accuracy': m.accuracy_score(y, h, sample_weight=w),
        'precision': m.precision_score(y, h, sample_weight=w, zero_division=0),
        'recall': m.recall_score(y, h, sample_weight=w, zero_division=0),
        'f1': m.f1_score(y, h, sample_weight=w, zero_division=0),
        'averagePrecision': m.average_precision_score(y, p, sample_weight=w),
        'brier': m.brier_score_loss(y, p, sample_weight=w),
        'calibrationError': float(np.abs(predicted - observed).sum() / w.sum()),
        'curves': {
            'roc': [fpr.tolist(), tpr.tolist()],
            'precisionRecall': [recall[::-1].tolist(), precision[::-1].tolist()],
            'calibration': [(predicted[keep] / total[keep]).tolist(), (observed[keep] / total[keep]).tolist()],
        },
    }

def multiclass(c):
    k = c['classes']
    y, p, w = np.array(c['label']), np.array(c['probabilities']).reshape(-1, k), np.array(c['weight'])
    h = p.argmax(axis=1)
    average = dict(average='macro', sample_weight=w, zero_division=0)
    return {
        'auc': m.roc_auc_score(y, p, multi_class='ovr', average='macro', sample_weight=w),
        'logLoss': m.log_loss(y, p, sample_weight=w, labels=list(range(k))),
        'accuracy': m.accuracy_score(y, h, sample_weight=w),
        'precision': m.precision_score(y, h, **average),
        'recall': m.recall_score(y, h, **average),
        'f1': m.f1_score(y, h, **average),
    }

def regression(c):
    y, p = np.array(c['label']).reshape(-1, c['targets']), np.array(c['prediction']).reshape(-1, c['targets'])
    w = np.array(c['weight'])
    r2 = m.r2_score(y, p, sample_weight=w)
    return {
        'rmse': m.root_mean_squared_error(y, p, sample_weight=w),
        'mae': m.mean_absolute_error(y, p, sample_weight=w),
        'r2': None if np.isnan(r2) else r2,
    }

output = [{'binary': binary, 'multiclass': multiclass, 'regression': regression}[c['task']](c) for c in input]
`;

const random = createRandom(20261124, 0);
const uniform = () => random.next() / 2 ** 32;
const numbers = (count: number, make: (index: number) => number) =>
  Float64Array.from({ length: count }, (_, i) => make(i));
const ones = (rows: number) => numbers(rows, () => 1);
const weights = (rows: number) => numbers(rows, () => 0.1 + 3 * uniform());

function binary(rows: number, score: () => number, threshold = 0.5): BinaryPredictions {
  const probability = numbers(rows, score);
  const label = Uint8Array.from(probability, (p, i) => (i < 2 ? i : uniform() < p ? 1 : 0));
  return { task: 'binary', rows, label, probability, threshold };
}

function multiclass(rows: number, classes: number): MulticlassPredictions {
  const label = Int32Array.from({ length: rows }, (_, row) => (row < classes ? row : random.below(classes)));
  const probabilities = new Float64Array(rows * classes);
  for (let row = 0; row < rows; row++) {
    const raw = numbers(classes, (k) => Math.exp(4 * uniform() + (label[row] === k ? 1.5 : 0)));
    const sum = raw.reduce((a, b) => a + b, 0);
    for (let k = 0; k < classes; k++) probabilities[row * classes + k] = raw[k]! / sum;
  }
  return { task: 'multiclass', rows, classes, label, probabilities };
}

function regression(rows: number, targets: number, label: () => number): RegressionPredictions {
  const truth = numbers(rows * targets, label);
  return { task: 'regression', rows, targets, label: truth, prediction: truth.map((y) => y + 20 * (uniform() - 0.5)) };
}

interface Case {
  readonly title: string;
  readonly predictions: Predictions;
  readonly weight: Float64Array;
}

const cases: readonly Case[] = [
  { title: 'binary, 5,000 rows', predictions: binary(5000, uniform), weight: ones(5000) },
  { title: 'binary, weights', predictions: binary(5000, uniform, 0.3), weight: weights(5000) },
  {
    title: 'binary, many ties',
    predictions: binary(3000, () => Math.round(uniform() * 20) / 20),
    weight: weights(3000),
  },
  { title: 'binary, float32 scores', predictions: binary(3000, () => Math.fround(uniform() ** 4)), weight: ones(3000) },
  { title: 'binary, a constant score', predictions: binary(50, () => 0.25), weight: ones(50) },
  {
    title: 'binary, scores of exactly 0 and 1',
    predictions: binary(400, () => Math.round(uniform())),
    weight: ones(400),
  },
  { title: 'binary, two rows', predictions: binary(2, () => 0.7), weight: ones(2) },
  { title: 'binary, no row at the threshold', predictions: binary(40, () => uniform() / 3, 0.9), weight: ones(40) },
  { title: 'multiclass, 26 classes', predictions: multiclass(4000, 26), weight: ones(4000) },
  { title: 'multiclass, weights', predictions: multiclass(2000, 5), weight: weights(2000) },
  { title: 'multiclass, one row a class', predictions: multiclass(3, 3), weight: ones(3) },
  { title: 'regression', predictions: regression(4000, 1, () => 500 * uniform()), weight: ones(4000) },
  {
    title: 'regression, weights, 3 targets',
    predictions: regression(2000, 3, () => 1e6 + uniform()),
    weight: weights(2000),
  },
  { title: 'regression, one row', predictions: regression(1, 1, () => 3), weight: ones(1) },
  { title: 'regression, a constant label', predictions: regression(9, 1, () => 7), weight: ones(9) },
];

function plain({ predictions, weight }: Case): unknown {
  const entries = Object.entries({ ...predictions, weight });
  return Object.fromEntries(
    entries.map(([name, value]) => [name, ArrayBuffer.isView(value) ? [...(value as Float64Array)] : value]),
  );
}

describe('metrics against scikit-learn', () => {
  const expected = runPython(reference, cases.map(plain)) as Promise<Record<string, unknown>[]>;
  expected.catch(() => undefined);

  it.each(cases.map((each, index) => ({ ...each, index })))(
    'agree within 1e-9: $title',
    async ({ predictions, weight, index }) => {
      const wanted = (await expected)[index]!;
      for (const name of metricNames(predictions.task)) {
        const value = prepareMetric(predictions, name)(weight);
        if (wanted[name] === null) expect(value, name).toBeNaN();
        else expect(Math.abs(value - (wanted[name] as number)), `${name}: ${value}`).toBeLessThanOrEqual(1e-9);
      }
      if (predictions.task !== 'binary') return;
      const curves = wanted['curves'] as Record<'roc' | 'precisionRecall' | 'calibration', [number[], number[]]>;
      const bins = calibrationCurve(predictions, weight);
      expectPoints(rocCurve(predictions, weight), curves.roc);
      expectPoints(precisionRecallCurve(predictions, weight), curves.precisionRecall);
      expectPoints(
        bins.map((bin) => ({ x: bin.predicted, y: bin.observed })),
        curves.calibration,
      );
    },
  );
});

function expectPoints(
  points: readonly { readonly x: number; readonly y: number }[],
  [x, y]: [number[], number[]],
): void {
  expect(points.length).toBe(x.length);
  const gaps = points.map((point, i) => Math.max(Math.abs(point.x - x[i]!), Math.abs(point.y - y[i]!)));
  expect(Math.max(...gaps)).toBeLessThanOrEqual(1e-9);
}
