import { describe, expect, test } from 'vitest';
import {
  atLeast,
  csv,
  deploy,
  evaluate,
  exportOnnx,
  fit,
  gate,
  perSlice,
  predict,
  promote,
  register,
  split,
} from '../../../../pipelines/index.js';
import { t } from '../../../../pipelines/types.js';
import { churnModel, fractions, inputs, net, parts, people, promoted } from '../churn.js';
import { thrown } from '../thrown.js';
import { untyped } from '../untyped.js';

const texts = (body: () => unknown, code = 'CONFIG_INVALID'): readonly string[] =>
  thrown(body).map(([is, text]) => {
    expect(is).toBe(code);
    return text;
  });
const all = 'id, plan, age, score, at, part, churned';

describe('evaluate, register, gate, promote, deploy', () => {
  test('evaluate says every unknown metric and slice at once', () => {
    const data = parts();
    const onnx = exportOnnx(churnModel(data));
    expect(texts(() => untyped(evaluate)(onnx, data, { metrics: ['auk', 'auc', 'auc'], slices: ['pln'] }))).toEqual([
      "evaluate.metrics: expected metrics of a binary model (auc, logLoss, accuracy, precision, recall, f1, averagePrecision, brier, calibrationError); received 'auk'. Did you mean 'auc'?",
      "evaluate.metrics: expected each name once; received 'auc' again.",
      `evaluate.slices: expected a column of the dataset (${all}); received 'pln'. Did you mean 'plan'?`,
    ]);
    expect(texts(() => untyped(evaluate)(onnx, data, { importance: true }))).toEqual([
      'evaluate.importance: expected false or an object; received true.',
    ]);
    const narrow = split(csv('y.csv', { columns: { age: t.int32, churned: t.bool } }), { fractions, seed: 1 });
    expect(texts(() => untyped(evaluate)(onnx, narrow))).toEqual([
      "evaluate.data.plan: expected a column of the dataset (age, churned); received 'plan'.",
    ]);
  });

  test('register refuses the report of another model', () => {
    const data = parts();
    const [a, b] = [exportOnnx(churnModel(data)), exportOnnx(churnModel(data))];
    expect(texts(() => register(a, { model: 'm', report: evaluate(b, data) }), 'PIPELINE_INVALID')).toEqual([
      'register.report: expected a report of the model that is registered; received a report of another one. Pass the same exportOnnx() to evaluate and register.',
    ]);
  });

  test('gate refuses metrics and slices that the report does not have', () => {
    const { version } = promoted();
    const conditions = [
      atLeast('brir', 0.1),
      perSlice('pln', atLeast('auc', 0.1)),
      perSlice('age', atLeast('f1', 0.1)),
    ];
    expect(texts(() => untyped(gate)(version, conditions))).toEqual([
      "gate.conditions.0.metric: expected a metric of the report (auc, logLoss); received 'brir'. Add it to the options of evaluate().",
      "gate.conditions.1.column: expected a slice of the report (plan); received 'pln'. Did you mean 'plan'?",
      "gate.conditions.2.column: expected a slice of the report (plan); received 'age'. Add it to the options of evaluate().",
      "gate.conditions.2.condition.metric: expected a metric of the report (auc, logLoss); received 'f1'. Add it to the options of evaluate().",
    ]);
    expect(texts(() => gate(version, []))).toEqual([
      'gate.conditions: expected at least one condition, such as atLeast(…); received an empty array.',
    ]);
    expect(texts(() => gate(version, [atLeast('auc', Number.NaN)]))).toEqual([
      'gate.conditions.0.bar: expected a finite number; received NaN.',
    ]);
    expect(texts(() => untyped(gate)(version, [atLeast('auc', 1)], { contaminated: 'ignore' }))).toEqual([
      "gate.contaminated: expected 'block' or 'allow'; received 'ignore'.",
    ]);
  });

  test('promote takes gated versions of different models', () => {
    const { version, passed } = promoted();
    expect(texts(() => untyped(promote)(version, { alias: 'champion' }), 'PIPELINE_INVALID')).toEqual([
      'promote.gated: expected what gate() returned; received what register() returned.',
    ]);
    expect(texts(() => promote([passed, passed], { alias: 'champion' }))).toEqual([
      "promote.gated.1: expected one version of each model; received a second one of 'churn'.",
    ]);
    expect(texts(() => promote([], { alias: 'champion' }))).toEqual([
      'promote.gated: expected at least one gated version; received none.',
    ]);
  });

  test('deploy names the model where several were promoted', () => {
    const first = promoted();
    const second = register(first.onnx, { model: 'other', report: first.report });
    const live = promote([first.passed, gate(second, [atLeast('auc', 0.5)])], { alias: 'champion' });
    expect(texts(() => deploy(live, { endpoint: 'e' }))).toEqual([
      "deploy.model: expected 'churn' or 'other'; received nothing.",
    ]);
    expect(texts(() => deploy(live, { endpoint: 'e', model: 'chrn' }))).toEqual([
      "deploy.model: expected 'churn' or 'other'; received 'chrn'. Did you mean 'churn'?",
    ]);
    expect(deploy(live, { endpoint: 'e', model: 'other' }).endpoint).toBe('e');
  });
});

describe('predict', () => {
  test("refuses rows without the model's inputs, and kept columns that are none, double or the prediction's", () => {
    const { onnx } = promoted();
    const rows = csv('y.csv', { columns: { age: t.int32, class: t.string } });
    expect(texts(() => untyped(predict)(onnx, rows, { keep: ['class', 'agee', 'age', 'age'] }))).toEqual([
      "predict.rows.plan: expected a column of the dataset (age, class); received 'plan'.",
      "predict.keep: expected a column of the dataset (age, class); received 'agee'. Did you mean 'age'?",
      "predict.keep: expected each column once; received 'age' again.",
      "predict.keep: expected columns other than the prediction's; received 'class'. Rename it in the SQL that makes the dataset.",
    ]);
  });

  test('has the columns of its task', () => {
    const { onnx } = promoted();
    expect(predict(onnx, people(), { keep: ['id'] }).columns.map((column) => column.name)).toEqual([
      'id',
      'probability',
      'class',
    ]);
    const amounts = exportOnnx(fit(parts(), { label: ['score', 'id'], task: 'regression', inputs, network: net }));
    expect(predict(amounts, people()).columns.map((column) => column.name)).toEqual([
      'prediction_score',
      'prediction_id',
    ]);
  });
});
