import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openInferenceEngine } from '../../../../connectors/onnxruntime/inference-engine.js';
import { writeOnnx } from '../../../../operators/export/write-onnx.js';
import type { StatisticsDocument } from '../../../../pipelines/contracts/training.js';
import { type FitGraph, resolveGraph } from '../../../../pipelines/network/graph.js';
import { traceFit } from '../../../../pipelines/network/trace-fit.js';
import * as nn from '../../../../pipelines/nn.js';
import type { Column } from '../../../../pipelines/types/column-type.js';
import { runPython } from '../../../peers/python.js';

const folder = mkdtempSync(join(tmpdir(), 'python-peers-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const columns: readonly Column[] = [
  { name: 'plan', type: { kind: 'string', nullable: true } },
  { name: 'age', type: { kind: 'int32', nullable: true } },
  { name: 'income', type: { kind: 'float64', nullable: false } },
  { name: 'visits', type: { kind: 'int64', nullable: false } },
  { name: 'ratio', type: { kind: 'float32', nullable: false } },
  { name: 'active', type: { kind: 'bool', nullable: false } },
  { name: 'city', type: { kind: 'int64', nullable: false } },
  { name: 'kind', type: { kind: 'string', nullable: false } },
];

const { dense, dropout, batchNorm, layerNorm, residual, concatenate, network, output } = nn;

const fit = traceFit({
  columns,
  label: 'kind',
  task: 'multiclass',
  inputs: {
    plan: nn.embed({ dimension: 3 }),
    age: nn.standardize(),
    income: nn.piecewiseLinear({ bins: 4 }),
    visits: nn.log1p(),
    ratio: nn.minMax(),
    active: nn.passthrough(),
    city: nn.oneHot(),
  },
  network: network(
    dense(16, 'gelu'),
    batchNorm(),
    residual(layerNorm(), dense(16, 'silu'), dropout(0.2)),
    concatenate(dense(4, 'elu'), network(dense(4, nn.leakyRelu({ slope: 0.3 })), nn.softplus()), dense(3, 'tanh')),
    dense(8, 'sigmoid'),
    dense(8, 'relu', { bias: false }),
    output(),
  ),
  loss: null,
  weight: null,
});

const scalar = (value: number) => ({ dtype: 'float64' as const, shape: [], values: [value] });

const statistics: StatisticsDocument = {
  formatVersion: 1,
  slots: {
    'plan.vocabulary': { dtype: 'string', shape: [3], values: ['basic', 'pro', 'übergroß 😀'] },
    'age.mean': scalar(41.5),
    'age.standardDeviation': scalar(11.25),
    'income.mean': scalar(1_000.5),
    'income.standardDeviation': scalar(512),
    'income.minimum': scalar(0),
    'income.maximum': scalar(4_000),
    'income.edges': { dtype: 'float64', shape: [5], values: [0, 500, 900, 1_500, 4_000] },
    'visits.log1pMean': scalar(1.5),
    'visits.log1pStandardDeviation': scalar(0.7),
    'ratio.minimum': scalar(-1),
    'ratio.range': scalar(2),
    'city.vocabulary': { dtype: 'int64', shape: [2], values: ['7', '9007199254740993'] },
  },
  sizes: { 'plan.vocabulary': 3, 'income.edges': 5, 'city.vocabulary': 2, 'label.classes': 3 },
  rows: { train: 10, validation: 1, test: 1 },
  classes: ['a', 'b', 'c'],
};

/** Weights as a function of name and index: reproducible and of ordinary size. */
function weightsOf(graph: FitGraph['graph']) {
  const resolved = resolveGraph(graph, statistics.sizes);
  const leaves = resolved.nodes.filter((node) => node.op === 'parameter' || node.op === 'buffer');
  return new Map(
    leaves.map((node, leaf) => {
      const shape = node.shape as readonly number[];
      const length = shape.reduce((product, size) => product * size, 1);
      const isVariance = node.name.endsWith('variance');
      return [
        node.name,
        { shape, data: Float32Array.from({ length }, (_, i) => Math.sin(i * 1.7 + leaf) * 0.5 + (isVariance ? 1 : 0)) },
      ] as const;
    }),
  );
}

const rows = [
  { plan: 'pro', age: 30, income: 750.25, visits: 3n, ratio: 0.25, active: true, city: 7n },
  { plan: '', age: Number.NaN, income: -10, visits: 0n, ratio: -1, active: false, city: 9007199254740993n },
  { plan: 'übergroß 😀', age: 99, income: 5_000, visits: 1_000_000n, ratio: 1, active: true, city: 8n },
  { plan: 'unseen', age: 0, income: 900, visits: 12n, ratio: 0, active: false, city: -1n },
];

describe('the exported model', () => {
  it('passes the ONNX checker and gives the same bytes in the Python runtime', async () => {
    const bytes = writeOnnx(fit, statistics, weightsOf(fit.graph));
    const path = join(folder, 'model.onnx');
    writeFileSync(path, bytes);
    await using session = await openInferenceEngine().load(path);
    const shape = [rows.length];
    const answer = await session.run({
      plan: { dtype: 'string', shape, data: rows.map((row) => row.plan) },
      age: { dtype: 'float64', shape, data: Float64Array.from(rows, (row) => row.age) },
      income: { dtype: 'float64', shape, data: Float64Array.from(rows, (row) => row.income) },
      visits: { dtype: 'int64', shape, data: BigInt64Array.from(rows, (row) => row.visits) },
      ratio: { dtype: 'float32', shape, data: Float32Array.from(rows, (row) => row.ratio) },
      active: { dtype: 'bool', shape, data: Uint8Array.from(rows, (row) => Number(row.active)) },
      city: { dtype: 'int64', shape, data: BigInt64Array.from(rows, (row) => row.city) },
    });
    const peer = (await runPython(
      `
import numpy as np, onnx, onnxruntime
model = onnx.load(input['path'])
onnx.checker.check_model(model, full_check=True)
session = onnxruntime.InferenceSession(input['path'])
kinds = {'tensor(double)': np.float64, 'tensor(float)': np.float32, 'tensor(int64)': np.int64, 'tensor(bool)': np.bool_, 'tensor(string)': object}
feeds = {}
for item in session.get_inputs():
    values = [row[item.name] for row in input['rows']]
    if item.type == 'tensor(double)':
        values = [np.nan if value is None else value for value in values]
    if item.type == 'tensor(int64)':
        values = [int(value) for value in values]
    feeds[item.name] = np.array(values, dtype=kinds[item.type])
names = [item.name for item in session.get_outputs()]
results = session.run(None, feeds)
output = {
    'versions': [model.ir_version] + [[item.domain, item.version] for item in model.opset_import],
    'inputs': [item.name for item in session.get_inputs()],
    'outputs': {name: value.tobytes().hex() for name, value in zip(names, results)},
}
`,
      {
        path,
        rows: rows.map((row) => ({
          ...row,
          age: Number.isNaN(row.age) ? null : row.age,
          visits: String(row.visits),
          city: String(row.city),
        })),
      },
    )) as { versions: unknown; inputs: string[]; outputs: Record<string, string> };
    expect(peer.versions).toEqual([10, ['', 21], ['ai.onnx.ml', 4]]);
    expect(peer.inputs).toEqual(['plan', 'age', 'income', 'visits', 'ratio', 'active', 'city']);
    const ours = Object.fromEntries(
      Object.entries(answer).map(([name, value]) => [
        name,
        Buffer.from((value.data as Float32Array).buffer).toString('hex'),
      ]),
    );
    expect(peer.outputs).toEqual(ours);
    const probabilities = Array.from(answer['probabilities']!.data as Float32Array);
    expect(probabilities.slice(0, 3).reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 6);
    expect(new Set(probabilities.slice(0, 12)).size).toBeGreaterThan(6);
  });

  it('has the same bytes each time', () => {
    const again = () => Buffer.from(writeOnnx(fit, statistics, weightsOf(fit.graph))).toString('hex');
    expect(again()).toBe(again());
  });
});
