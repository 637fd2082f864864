import {
  atLeast,
  csv,
  type Dataset,
  evaluate,
  exportOnnx,
  fit,
  gate,
  promote,
  register,
  split,
} from '../../../pipelines/index.js';
import { dense, embed, network, output, standardize } from '../../../pipelines/nn.js';
import { t } from '../../../pipelines/types.js';

export const columns = {
  id: t.int64,
  plan: t.string,
  age: t.int32.nullable,
  score: t.float64,
  at: t.timestamp,
  part: t.string,
  churned: t.bool,
};

export const fractions = { train: 0.8, validation: 0.1, test: 0.1 };
export const net = network(dense(4, 'relu'), output());
export const inputs = { age: standardize(), plan: embed({ dimension: 2 }) };

export const people = (): Dataset<typeof columns> => csv('people.csv', { columns, key: 'id' });
export const parts = (rows = people()) => split(rows, { fractions, seed: 7 });
export const churnModel = (data = parts()) => fit(data, { label: 'churned', inputs, network: net });

/** The whole way from a split to a promotion. */
export function promoted(data = parts()) {
  const model = churnModel(data);
  const onnx = exportOnnx(model);
  const report = evaluate(onnx, data, { metrics: ['auc', 'logLoss'], slices: ['plan'] });
  const version = register(onnx, { model: 'churn', report });
  const passed = gate(version, [atLeast('auc', 0.8)]);
  return { data, model, onnx, report, version, passed, live: promote(passed, { alias: 'champion' }) };
}
