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

  it('gives the feed and the request one meaning for every input, missing and unseen values included', async () => {
    const wide = [
      ...columns,
      column('n1', 'float64', true),
      column('n2', 'int64', true),
      column('n3', 'float32', true),
      column('n4', 'int32', true),
      column('n5', 'float64', true),
      column('c1', 'int64', true),
      column('c2', 'int32'),
      column('c3', 'string'),
      column('c4', 'string', true),
      column('w', 'float64'),
    ];
    const holes = (name: string, sql: string, every: number) =>
      `CASE WHEN id % ${every} = 0 THEN NULL ELSE ${sql} END AS ${name}`;
    const dataset = await chain.dataset(
      `SELECT *, ${holes('n1', '(hash(id) % 1000)::DOUBLE / 3', 3)}, ${holes('n2', '(hash(id) % 90)::BIGINT', 4)},
         ${holes('n3', '((hash(id) % 77)::FLOAT / 7)::FLOAT', 5)}, ${holes('n4', '(hash(id) % 12)::INTEGER', 6)},
         ${holes('n5', '(hash(id) % 5)::DOUBLE', 8)}, ${holes('c1', '(hash(id) % 9)::BIGINT', 9)}, (hash(id) % 6)::INTEGER AS c2,
         'v' || (id % 40) AS c3, ${holes('c4', "'v' || (id * id % 1500)", 10)}, 1.0 + id % 3 AS w FROM (${select})`,
      wide,
      ['id'],
    );
    const all = {
      plan: nn.embed({ dimension: 3 }),
      age: nn.minMax(),
      n1: nn.piecewiseLinear({ bins: 9 }),
      n2: nn.log1p(),
      n3: nn.standardize({ missing: 'mean' }),
      n4: nn.bucketize({ edges: [2, 5.5], embed: 2 }),
      n5: nn.bucketize({ bins: 4 }),
      income: nn.bucketize({ bins: 7 }),
      maybe: nn.passthrough(),
      active: nn.embed({ dimension: 2 }),
      c1: nn.oneHot(),
      c2: nn.embed({ dimension: 2, minCount: 400 }),
      c3: nn.embed({ dimension: 4, vocabulary: 'v' }),
      c4: nn.embed({ dimension: 2, vocabulary: 'v' }),
    };
    const loss = nn.categoricalCrossEntropy({ classWeights: { c: 30 }, labelSmoothing: 0.05 });
    const source = { label: 'grade', task: 'multiclass' as const, inputs: all, network, loss, weight: 'w' };
    const { onnx, statistics } = await chain.export({ dataset, columns: wide, split, source, maxEpochs: 2 });
    expect(onnx.result.summary).toMatchObject({ parity: { output: 'probabilities', tolerance: 1e-5 } });
    const { sizes } = JSON.parse(await readFile(join(statistics.directory, 'statistics.json'), 'utf8')) as {
      sizes: Record<string, number>;
    };
    expect(sizes['shared/v.vocabulary']).toBeGreaterThan(40);
    const predicted = await chain.predict(
      onnx.artifact,
      dataset,
      ['grade'],
      [column('probability', 'float32'), column('class', 'string')],
    );
    const [share] = await chain.bench.rows(
      predicted.artifact,
      "SELECT avg((class = 'c')::INTEGER) AS predicted, avg((grade = 'c')::INTEGER) AS real",
    );
    // A class that weighs thirty times as much is predicted far more often than it occurs.
    expect(share!['predicted'] as number).toBeGreaterThan(1.5 * (share!['real'] as number));
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
