import { describe, expect, it } from 'vitest';
import { prepareBinaryGroup } from '../../../../../operators/evaluate/metrics/binary-group.js';
import { calibrationCurve } from '../../../../../operators/evaluate/metrics/calibration.js';
import { confusion } from '../../../../../operators/evaluate/metrics/confusion.js';
import { rocCurve, thinCurve } from '../../../../../operators/evaluate/metrics/curves.js';
import { metricDirection, metricNames, prepareMetric } from '../../../../../operators/evaluate/metrics/metric-table.js';
import {
  type BinaryPredictions,
  type Predictions,
  selectRows,
} from '../../../../../operators/evaluate/metrics/predictions.js';
import { quantile, residuals } from '../../../../../operators/evaluate/metrics/residuals.js';
import { createRandom } from '../../../../../operators/evaluate/random.js';
import { taskMetrics } from '../../../../../pipelines/define/evaluate.js';

function binary(labels: readonly number[], scores: readonly number[], threshold = 0.5): BinaryPredictions {
  return {
    task: 'binary',
    rows: labels.length,
    label: Uint8Array.from(labels),
    probability: Float64Array.from(scores),
    threshold,
  };
}

const value = (predictions: Predictions, name: string, weight?: readonly number[]) =>
  prepareMetric(predictions, name)(Float64Array.from(weight ?? new Array(predictions.rows).fill(1)));

const empty: readonly Predictions[] = [
  binary([], []),
  { task: 'multiclass', rows: 0, classes: 3, label: new Int32Array(0), probabilities: new Float64Array(0) },
  { task: 'regression', rows: 0, targets: 1, label: new Float64Array(0), prediction: new Float64Array(0) },
];

describe('metrics', () => {
  it('are those that pipelines may name, in the same order', () => {
    for (const task of ['binary', 'multiclass', 'regression'] as const)
      expect(metricNames(task)).toEqual(taskMetrics[task]);
  });

  it.each(empty.map((predictions) => ({ predictions, task: predictions.task })))(
    'are undefined without rows: $task',
    ({ predictions }) => {
      for (const name of metricNames(predictions.task)) expect(value(predictions, name), name).toBeNaN();
    },
  );

  it('know which way is better', () => {
    expect(metricNames('binary').filter((name) => metricDirection('binary', name) === 'lower')).toEqual([
      'logLoss',
      'brier',
      'calibrationError',
    ]);
    expect(metricNames('regression').map((name) => metricDirection('regression', name))).toEqual([
      'lower',
      'lower',
      'higher',
    ]);
  });

  it('count ties as half in AUC', () => {
    expect(value(binary([0, 1], [0.5, 0.5]), 'auc')).toBe(0.5);
    expect(value(binary([0, 1, 1], [0.2, 0.2, 0.9]), 'auc')).toBe(0.75);
    expect(value(binary([1, 0], [0.1, 0.9]), 'auc')).toBe(0);
  });

  it('leave AUC undefined for one class, and for one that all weight left', () => {
    expect(value(binary([1, 1], [0.1, 0.9]), 'auc')).toBeNaN();
    expect(value(binary([0, 1], [0.1, 0.9]), 'auc', [1, 0])).toBeNaN();
    expect(value(binary([0], [0.1]), 'averagePrecision')).toBeNaN();
  });

  it('give a row of weight 2 what two rows give', () => {
    const once = binary([0, 1, 0, 1], [0.1, 0.4, 0.6, 0.7], 0.4);
    const twice = binary([0, 1, 1, 0, 1], [0.1, 0.4, 0.4, 0.6, 0.7], 0.4);
    for (const name of metricNames('binary'))
      expect(value(once, name, [1, 2, 1, 1]), name).toBeCloseTo(value(twice, name), 12);
  });

  it('keep the log loss of a certain mistake finite', () => {
    expect(value(binary([1], [0]), 'logLoss')).toBeCloseTo(52 * Math.LN2, 10);
    expect(value(binary([0], [1]), 'logLoss')).toBeCloseTo(52 * Math.LN2, 10);
  });

  it('are 0 for precision, recall and F1 where nothing is predicted', () => {
    const predictions = binary([0, 1], [0.1, 0.2]);
    expect(['precision', 'recall', 'f1'].map((name) => value(predictions, name))).toEqual([0, 0, 0]);
  });

  it('call a probability at the threshold the second class', () => {
    expect(value(binary([1], [0.5]), 'accuracy')).toBe(1);
    expect(confusion(binary([1, 0], [0.5, 0.4999])).counts).toEqual([
      [1, 0],
      [0, 1],
    ]);
  });

  it('of a subset are those of its rows alone', () => {
    const all = binary([0, 1, 0, 1, 1], [0.2, 0.9, 0.6, 0.4, 0.7]);
    const part = selectRows(all, Uint32Array.of(1, 2, 3));
    expect(part).toMatchObject({ rows: 3 });
    expect(value(part, 'auc')).toBe(value(binary([1, 0, 1], [0.9, 0.6, 0.4]), 'auc'));
  });
});

describe('prepareBinaryGroup', () => {
  it('gives in one pass what the metrics give, ties, zero weights and one class included', () => {
    const random = createRandom(11, 0);
    const uniform = () => random.next() / 2 ** 32;
    for (const rows of [0, 1, 2, 3, 50, 999]) {
      for (const step of [1, 0.5, 0.1, 0.001]) {
        const scores = Array.from({ length: rows }, () => Math.round(uniform() / step) * step);
        const predictions = binary(
          scores.map((p) => (uniform() < p ? 1 : 0)),
          scores.map((p) => Math.min(1, p)),
          0.4,
        );
        const weight = Float64Array.from(scores, () => random.below(3) * (0.5 + uniform()));
        const group = prepareBinaryGroup(predictions)(weight);
        for (const name of metricNames('binary')) {
          const alone = prepareMetric(predictions, name)(weight);
          if (Number.isNaN(alone)) expect(group[name] ?? Number.NaN, name).toBeNaN();
          else expect(Math.abs(group[name]! - alone), `${name} of ${rows} rows`).toBeLessThan(1e-12);
        }
      }
    }
  });
});

describe('calibrationCurve', () => {
  it('puts an edge into the bin below it, 0 into the first and 1 into the last', () => {
    const scores = [0, 1 / 15, 2 / 15, 3 / 15, 1];
    const bins = calibrationCurve(binary([0, 1, 0, 1, 1], scores), new Float64Array(5).fill(1));
    expect(bins.map(({ low, rows }) => [Math.round(low * 15), rows])).toEqual([
      [0, 2],
      [1, 1],
      [2, 1],
      [14, 1],
    ]);
  });
});

describe('thinCurve', () => {
  it('keeps the ends and at most so many points', () => {
    const rows = 5000;
    const predictions = binary(
      Array.from({ length: rows }, (_, i) => ((i * 7919) % 3 === 0 ? 1 : 0)),
      Array.from({ length: rows }, (_, i) => i / rows),
    );
    const points = rocCurve(predictions, new Float64Array(rows).fill(1));
    const thin = thinCurve(points, 200);
    expect(points).toHaveLength(rows + 1);
    expect(thin.length).toBeLessThanOrEqual(200);
    expect(thin.length).toBeGreaterThan(150);
    expect([thin[0], thin.at(-1)]).toEqual([points[0], points.at(-1)]);
    expect(thinCurve(points.slice(0, 100), 200)).toHaveLength(100);
  });
});

describe('confusion', () => {
  it('lists the most frequent mistakes, and no matrix above 50 classes', () => {
    const classes = 60;
    const probabilities = new Float64Array(3 * classes);
    probabilities[5] = 1;
    probabilities[classes + 5] = 1;
    probabilities[2 * classes + 7] = 1;
    const found = confusion({ task: 'multiclass', rows: 3, classes, label: Int32Array.of(2, 2, 7), probabilities });
    expect(found).toEqual({ counts: null, mistakes: [{ actual: 2, predicted: 5, rows: 2 }] });
  });
});

describe('residuals', () => {
  it('of one row are one group and one bar', () => {
    const found = residuals(
      { task: 'regression', rows: 1, targets: 1, label: Float64Array.of(3), prediction: Float64Array.of(1) },
      0,
    );
    expect(found.groups).toEqual([{ rows: 1, prediction: 1, low: 2, median: 2, high: 2 }]);
    expect(found.histogram.counts.reduce((a, b) => a + b, 0)).toBe(1);
    expect(found.points).toEqual([{ prediction: 1, label: 3 }]);
  });

  it('quantiles are linear between the values', () => {
    expect(quantile(Float64Array.of(0, 1, 2, 3, 4), 0.1)).toBeCloseTo(0.4, 12);
    expect(quantile(new Float64Array(0), 0.5)).toBeNaN();
  });
});
