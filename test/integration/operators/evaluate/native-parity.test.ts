import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluateOperator } from '../../../../operators/evaluate/evaluate-operator.js';
import { readReport } from '../../../../operators/evaluate/report.js';
import type { ModelDocument } from '../../../../pipelines/contracts/training.js';
import * as nn from '../../../../pipelines/nn.js';
import type { SplitSpec } from '../../../../pipelines/plan/relation.js';
import { type Chain, openChain } from '../export/chain.js';
import { column } from '../sql/sql-stage.js';

let chain: Chain;
beforeAll(async () => {
  chain = await openChain();
});
afterAll(() => chain[Symbol.asyncDispose]());

const split: SplitSpec = {
  kind: 'hash',
  by: ['id'],
  train: 0.5,
  validation: 0.2,
  test: 0.3,
  seed: 3,
  stratify: 'grade',
};
const columns = [
  column('id', 'int64'),
  column('plan', 'string', true),
  column('age', 'int32', true),
  column('visits', 'int64'),
  column('churned', 'bool'),
  column('grade', 'string'),
  column('price', 'float64'),
  column('weight', 'float64'),
];
const select = `
  SELECT id, CASE WHEN id % 11 = 0 THEN NULL ELSE ['basic', 'pro', 'team'][id % 3 + 1] END AS plan,
    CASE WHEN id % 7 = 0 THEN NULL ELSE (20 + (hash(id) % 50)::INTEGER)::INTEGER END AS age,
    (hash(id + 2) % 40)::BIGINT AS visits, (hash(id) % 50 + hash(id + 2) % 40) > 45 AS churned,
    ['a', 'b', 'c'][((hash(id + 2) % 40)::BIGINT // 14) + 1] AS grade,
    1000.0 + 20.0 * (hash(id + 2) % 40)::DOUBLE + (hash(id) % 50)::DOUBLE AS price, 0.001 * (hash(id) % 50)::DOUBLE AS weight
  FROM range(2000) t(id)`;
const options = {
  split,
  metrics: null,
  slices: ['plan'],
  bootstrap: 50,
  importance: { repeats: 1, maxRows: 100 },
  seed: 0,
};

describe('evaluate beside the native model', () => {
  it.each([
    ['binary', 'churned'],
    ['multiclass', 'grade'],
    ['regression', ['price', 'weight']],
  ] as const)('agrees with it on every test row: %s', async (task, label) => {
    const dataset = await chain.dataset(select, columns, ['id']);
    const inputs = { plan: nn.embed({ dimension: 3 }), age: nn.standardize(), visits: nn.log1p() };
    const source = {
      label,
      task,
      inputs,
      network: nn.network(nn.dense(16, 'gelu'), nn.output()),
      loss: null,
      weight: null,
    };
    const { model, onnx } = await chain.export({ dataset, columns, split, source, maxEpochs: 2 });
    const { artifact } = await chain.run(evaluateOperator, options, {
      onnx: onnx.artifact,
      dataset,
      model: model.artifact,
    });
    const report = await readReport(artifact);
    expect(report.parity!.rows).toBe(report.rows);
    expect(report.rows).toBeGreaterThan(590);
    expect(report.parity!.largestDifference).toBeLessThan(2e-6);
    const document = JSON.parse(await readFile(join(model.artifact.directory, 'model.json'), 'utf8')) as ModelDocument;
    expect(report.learning).toEqual(document.curve);
    expect(report.bestEpoch).toBe(document.bestEpoch);
    expect(report.residuals.map((residuals) => residuals.label)).toEqual(task === 'regression' ? label : []);
  });
});
