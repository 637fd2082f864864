import { copyFile, cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportOnnxOperator } from '../../../../operators/export/export-operator.js';
import type { Artifact, DatasetMeta } from '../../../../pipelines/contracts/artifacts.js';
import type { KeyContext } from '../../../../pipelines/contracts/operator.js';
import type { ModelSignature } from '../../../../pipelines/contracts/signature.js';
import type { ModelDocument } from '../../../../pipelines/contracts/training.js';
import * as nn from '../../../../pipelines/nn.js';
import type { SplitSpec } from '../../../../pipelines/plan/relation.js';
import type { Column } from '../../../../pipelines/types/column-type.js';
import { column, errorOf } from '../sql/sql-stage.js';
import { type Chain, openChain } from './chain.js';

let chain: Chain;
beforeAll(async () => {
  chain = await openChain();
});
afterAll(() => chain[Symbol.asyncDispose]());

const split: SplitSpec = { kind: 'hash', by: ['id'], train: 0.6, validation: 0.2, test: 0.2, seed: 3, stratify: null };

const columns: readonly Column[] = [
  column('id', 'int64'),
  column('plan', 'string', true),
  column('age', 'int32', true),
  column('income', 'float64'),
  column('visits', 'int64'),
  column('ratio', 'float32'),
  column('active', 'bool'),
  column('maybe', 'bool', true),
  column('churned', 'bool'),
  column('grade', 'string'),
  column('price', 'float64'),
];

const select = `
  SELECT id, CASE WHEN id % 11 = 0 THEN NULL ELSE ['basic', 'pro', 'team'][id % 3 + 1] END AS plan,
    CASE WHEN id % 7 = 0 THEN NULL ELSE (20 + (hash(id) % 50)::INTEGER)::INTEGER END AS age,
    ((hash(id + 1) % 100000)::DOUBLE / 7) AS income, (hash(id + 2) % 40)::BIGINT AS visits,
    ((hash(id + 3) % 1000)::FLOAT / 1000)::FLOAT AS ratio, id % 2 = 0 AS active,
    CASE WHEN id % 5 = 0 THEN NULL ELSE id % 3 = 0 END AS maybe,
    (hash(id) % 50 + hash(id + 2) % 40) > 45 AS churned,
    ['a', 'b', 'c'][((hash(id + 2) % 40)::BIGINT // 14) + 1] AS grade,
    1000.0 + 20.0 * (hash(id + 2) % 40)::DOUBLE + (hash(id) % 50)::DOUBLE AS price
  FROM range(3000) t(id)`;

const inputs = {
  plan: nn.embed({ dimension: 3 }),
  age: nn.standardize(),
  income: nn.piecewiseLinear({ bins: 6 }),
  visits: nn.log1p(),
  ratio: nn.minMax(),
  active: nn.passthrough(),
  maybe: nn.oneHot(),
};

const network = nn.network(
  nn.dense(16, 'gelu'),
  nn.batchNorm(),
  nn.residual(nn.layerNorm(), nn.dense(16, 'silu')),
  nn.dropout(0.1),
  nn.output(),
);

async function signatureOf(directory: string): Promise<ModelSignature> {
  return JSON.parse(await readFile(join(directory, 'signature.json'), 'utf8')) as ModelSignature;
}

describe('exportOnnx', () => {
  it('agrees with the native model, chooses a threshold, and predict answers in the dataset’s order', async () => {
    const dataset = await chain.dataset(select, columns, ['id']);
    const { onnx } = await chain.export({
      dataset,
      columns,
      split,
      source: { label: 'churned', task: 'binary', inputs, network, loss: null, weight: null },
      maxEpochs: 2,
    });
    const summary = onnx.result.summary as {
      parity: { output: string; rows: number; largest: number };
      threshold: number;
      validationRows: number;
    };
    expect(summary.parity).toMatchObject({ output: 'probability', tolerance: 1e-5 });
    expect(summary.parity.rows).toBe(summary.validationRows);
    expect(summary.parity.largest).toBeLessThan(2e-6);
    const signature = await signatureOf(onnx.artifact.directory);
    expect(signature.inputs.map((input) => `${input.column.name} ${input.dtype}`)).toEqual([
      'plan string',
      'age float64',
      'income float64',
      'visits int64',
      'ratio float32',
      'active bool',
      'maybe float64',
    ]);
    expect(signature).toMatchObject({
      task: 'binary',
      labels: ['churned'],
      classes: ['false', 'true'],
      threshold: summary.threshold,
    });
    expect(signature.outputs).toEqual([
      { name: 'logits', dtype: 'float32', shape: [null] },
      { name: 'probability', dtype: 'float32', shape: [null] },
    ]);

    const predicted = await chain.predict(
      onnx.artifact,
      dataset,
      ['id', 'churned'],
      [column('probability', 'float32'), column('class', 'string')],
    );
    const meta = predicted.artifact.manifest.meta as unknown as DatasetMeta;
    expect([meta.rows, meta.key, meta.columns.map((each) => each.name)]).toEqual([
      3000,
      ['id'],
      ['id', 'churned', 'probability', 'class'],
    ]);
    const rows = await chain.bench.rows(predicted.artifact);
    expect(rows.map((row) => row['id'])).toEqual(Array.from({ length: 3000 }, (_, id) => BigInt(id)));
    for (const row of rows) expect(row['class']).toBe(String((row['probability'] as number) >= summary.threshold));
    const right = rows.filter((row) => row['class'] === String(row['churned'])).length;
    expect(right / rows.length).toBeGreaterThan(0.75);
  });

  it('exports classes and scaled targets', async () => {
    const dataset = await chain.dataset(select, columns, ['id']);
    const classes = await chain.export({
      dataset,
      columns,
      split,
      source: { label: 'grade', task: 'multiclass', inputs, network, loss: null, weight: null },
      maxEpochs: 1,
    });
    expect(classes.onnx.result.summary).toMatchObject({ threshold: null, parity: { output: 'probabilities' } });
    expect((await signatureOf(classes.onnx.artifact.directory)).classes).toEqual(['a', 'b', 'c']);
    const targets = await chain.export({
      dataset,
      columns,
      split,
      source: {
        label: ['price', 'income'],
        task: 'regression',
        inputs: { age: nn.standardize(), visits: nn.bucketize({ bins: 5 }) },
        network,
        loss: nn.huber(),
        weight: null,
      },
      maxEpochs: 1,
    });
    expect(targets.onnx.result.summary).toMatchObject({ parity: { output: 'scaled' } });
    const predicted = await chain.predict(
      targets.onnx.artifact,
      dataset,
      [],
      [column('prediction_price', 'float32'), column('prediction_income', 'float32')],
    );
    const [first] = await chain.bench.rows(
      predicted.artifact,
      'SELECT avg(prediction_price) AS price, avg(prediction_income) AS income',
    );
    expect(first!['price'] as number).toBeGreaterThan(1_000);
    expect(first!['price'] as number).toBeLessThan(2_000);
    expect(first!['income'] as number).toBeGreaterThan(3_000);
  });

  it('writes the same bytes again, and has a key of the columns that it reads', async () => {
    const dataset = await chain.dataset(select, columns, ['id']);
    const source = {
      label: 'churned',
      task: 'binary' as const,
      inputs: { age: nn.standardize() },
      network: nn.network(nn.output()),
      loss: null,
      weight: null,
    };
    const [first, second] = [
      await chain.export({ dataset, columns, split, source, maxEpochs: 1 }),
      await chain.export({ dataset, columns, split, source, maxEpochs: 1 }),
    ];
    expect(first.onnx.artifact.digest).toBe(second.onnx.artifact.digest);
    const stage = (artifact: Artifact) => ({
      stage: 's',
      operator: 'o',
      artifacts: { [artifact.manifest.kind]: artifact },
      summary: {},
    });
    const options = exportOnnxOperator.options.parse({ split, columns, inputs: ['age'] });
    const inputs = { model: stage(first.model.artifact), feed: stage(first.feed), dataset: stage(dataset) };
    const parts = await exportOnnxOperator.keyParts!({} as KeyContext, { options, inputs });
    expect(Object.keys(parts).sort()).toEqual(['column age', 'column id', 'feed', 'model']);
  });

  it('refuses a model whose weights are not those of its graph', async () => {
    const dataset = await chain.dataset(select, columns, ['id']);
    const source = {
      label: 'churned',
      task: 'binary' as const,
      inputs: { age: nn.standardize() },
      network: nn.network(nn.output()),
      loss: null,
      weight: null,
    };
    const { model, feed } = await chain.export({ dataset, columns, split, source, maxEpochs: 1 });
    const writer = await chain.bench.artifacts.create('model');
    const document = JSON.parse(await readFile(join(model.artifact.directory, 'model.json'), 'utf8')) as ModelDocument;
    await cp(model.artifact.directory, writer.directory, {
      recursive: true,
      filter: (path) => !path.endsWith('.json'),
    });
    await copyFile(join(model.artifact.directory, 'statistics.json'), join(writer.directory, 'statistics.json'));
    const nodes = document.graph.graph.nodes.map((node) =>
      node.name === 'output/bias' ? { ...node, attributes: { ...node.attributes, name: 'output/other' } } : node,
    );
    await writeFile(
      join(writer.directory, 'model.json'),
      JSON.stringify({ ...document, graph: { ...document.graph, graph: { ...document.graph.graph, nodes } } }),
    );
    const altered = await writer.commit({});
    const running = chain.run(
      exportOnnxOperator,
      { split, columns, inputs: ['age'] },
      { model: altered, feed, dataset },
    );
    expect(await errorOf(running)).toEqual({
      code: 'GRAPH_NOT_EXPORTABLE',
      message: 'weights.output/other: expected a tensor of shape [1]; received none.',
    });
  });
});
