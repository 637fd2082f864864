import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openInferenceEngine } from '../../../../connectors/onnxruntime/inference-engine.js';
import { writeOnnx } from '../../../../operators/export/write-onnx.js';
import type { TensorValue } from '../../../../pipelines/contracts/infer.js';
import type { SlotValue, StatisticsDocument } from '../../../../pipelines/contracts/training.js';
import type { Input } from '../../../../pipelines/define/inputs.js';
import type { Dim, GraphNode } from '../../../../pipelines/network/graph.js';
import { traceFit } from '../../../../pipelines/network/trace-fit.js';
import {
  bucketize,
  embed,
  log1p,
  minMax,
  network,
  oneHot,
  output,
  passthrough,
  piecewiseLinear,
  standardize,
} from '../../../../pipelines/nn.js';
import type { Column, Kind } from '../../../../pipelines/types/column-type.js';

const folder = mkdtempSync(join(tmpdir(), 'encode-region-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function column(name: string, kind: Exclude<Kind, 'decimal' | 'list' | 'tensor' | 'struct'>, nullable = false): Column {
  return { name, type: { kind, nullable } };
}

const scalar = (value: number): SlotValue => ({ dtype: 'float64', shape: [], values: [value] });

/** Runs one input alone and returns what stands before the first layer: the network's input. */
async function encoded(
  of: Column,
  input: Input<never>,
  slots: Record<string, SlotValue>,
  sizes: Record<string, number>,
  x: TensorValue,
  weights: Record<string, number[]> = {},
): Promise<number[][]> {
  const columns = [of, column('y', 'bool')];
  const fit = traceFit({
    columns,
    label: 'y',
    task: 'binary',
    inputs: { [of.name]: input },
    network: network(output()),
    loss: null,
    weight: null,
  });
  const linear = fit.graph.nodes.find((node) => node.op === 'linear')!;
  const graph = { ...fit.graph, outputs: { encoded: linear.inputs[0]! } };
  const statistics: StatisticsDocument = {
    formatVersion: 1,
    slots,
    sizes,
    rows: { train: 1, validation: 1, test: 1 },
    classes: [],
  };
  const size = (dim: Dim): number =>
    typeof dim === 'number'
      ? dim
      : Object.entries(dim.terms).reduce((sum, [symbol, factor]) => sum + factor * sizes[symbol]!, dim.constant);
  const tensors = new Map(
    graph.nodes
      .filter((node: GraphNode) => node.op === 'parameter')
      .map((node) => [node.name, { shape: node.shape.map(size), data: Float32Array.from(weights[node.name] ?? []) }]),
  );
  const path = join(folder, `${of.name}.onnx`);
  writeFileSync(path, writeOnnx({ ...fit, graph }, statistics, tensors));
  await using session = await openInferenceEngine().load(path);
  const { encoded: result } = await session.run({ [of.name]: x });
  const width = result!.shape[1]!;
  return Array.from({ length: result!.shape[0]! }, (_, row) =>
    Array.from(result!.data as Float32Array).slice(row * width, (row + 1) * width),
  );
}

const float64 = (...values: number[]): TensorValue => ({
  dtype: 'float64',
  shape: [values.length],
  data: Float64Array.from(values),
});
const int64 = (...values: number[]): TensorValue => ({
  dtype: 'int64',
  shape: [values.length],
  data: BigInt64Array.from(values.map(BigInt)),
});
const strings = (...values: string[]): TensorValue => ({ dtype: 'string', shape: [values.length], data: values });

describe('the encode region in ONNX', () => {
  it('standardizes in float64 and rounds last; a missing number is 0 with an indicator', async () => {
    const slots = { 'x.mean': scalar(1_000_000.1), 'x.standardDeviation': scalar(3) };
    const rows = await encoded(
      column('x', 'float64', true),
      standardize(),
      slots,
      {},
      float64(1_000_001.7, Number.NaN, -5),
    );
    expect(rows).toEqual([
      [Math.fround((1_000_001.7 - 1_000_000.1) / 3), 0],
      [0, 1],
      [Math.fround((-5 - 1_000_000.1) / 3), 0],
    ]);
  });

  it('leaves the indicator out where the option says so, and where nothing can be missing', async () => {
    const slots = { 'x.mean': scalar(1), 'x.standardDeviation': scalar(2) };
    expect(
      await encoded(column('x', 'float64', true), standardize({ missing: 'mean' }), slots, {}, float64(Number.NaN, 3)),
    ).toEqual([[0], [1]]);
    expect(await encoded(column('x', 'int32'), standardize(), slots, {}, int64(5))).toEqual([[2]]);
  });

  it('scales to the range, a missing number like the mean', async () => {
    const slots = { 'x.mean': scalar(3), 'x.minimum': scalar(1), 'x.range': scalar(4) };
    expect(await encoded(column('x', 'int32', true), minMax(), slots, {}, float64(1, 5, 9, Number.NaN))).toEqual([
      [0, 0],
      [1, 0],
      [2, 0],
      [0.5, 1],
    ]);
  });

  it('takes ln(1 + x) in float64', async () => {
    const slots = { 'x.log1pMean': scalar(0), 'x.log1pStandardDeviation': scalar(1) };
    const rows = await encoded(column('x', 'float64', true), log1p(), slots, {}, float64(1e-6, 10, Number.NaN));
    expect(rows[0]![0]).toBeCloseTo(Math.fround(1e-6 - 5e-13), 12);
    expect(rows[1]![0]).toBe(Math.fround(Math.log(11)));
    expect(rows[2]).toEqual([0, 1]);
  });

  it('passes numbers and bools through', async () => {
    const data = Uint8Array.from([1, 0]);
    expect(await encoded(column('x', 'bool'), passthrough(), {}, {}, { dtype: 'bool', shape: [2], data })).toEqual([
      [1],
      [0],
    ]);
    expect(
      await encoded(column('x', 'bool', true), passthrough(), { 'x.mean': scalar(0.25) }, {}, float64(1, Number.NaN)),
    ).toEqual([
      [1, 0],
      [0.25, 1],
    ]);
  });

  it('gives missing, unknown and known strings their own columns', async () => {
    const slots: Record<string, SlotValue> = { 'x.vocabulary': { dtype: 'string', shape: [2], values: ['a', 'ü'] } };
    const rows = await encoded(
      column('x', 'string', true),
      oneHot(),
      slots,
      { 'x.vocabulary': 2 },
      strings('', 'zzz', 'a', 'ü'),
    );
    expect(rows).toEqual([
      [1, 0, 0, 0],
      [0, 1, 0, 0],
      [0, 0, 1, 0],
      [0, 0, 0, 1],
    ]);
  });

  it('has an unknown column alone where the vocabulary is empty', async () => {
    const none = (dtype: 'string' | 'int64'): Record<string, SlotValue> => ({
      'x.vocabulary': { dtype, shape: [0], values: [] },
    });
    expect(
      await encoded(column('x', 'string'), oneHot(), none('string'), { 'x.vocabulary': 0 }, strings('', 'a')),
    ).toEqual([
      [1, 0],
      [0, 1],
    ]);
    expect(await encoded(column('x', 'int64'), oneHot(), none('int64'), { 'x.vocabulary': 0 }, int64(0, 7))).toEqual([
      [0, 1],
      [0, 1],
    ]);
  });

  it('looks up nullable integers and bools', async () => {
    const slots: Record<string, SlotValue> = { 'x.vocabulary': { dtype: 'int64', shape: [1], values: ['7'] } };
    expect(
      await encoded(column('x', 'int32', true), oneHot(), slots, { 'x.vocabulary': 1 }, float64(Number.NaN, 7, 8)),
    ).toEqual([
      [1, 0, 0],
      [0, 0, 1],
      [0, 1, 0],
    ]);
    expect(await encoded(column('x', 'bool', true), oneHot(), {}, {}, float64(Number.NaN, 0, 1))).toEqual([
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ]);
  });

  it('takes the row of the table', async () => {
    const slots: Record<string, SlotValue> = { 'x.vocabulary': { dtype: 'string', shape: [1], values: ['a'] } };
    const rows = await encoded(
      column('x', 'string'),
      embed({ dimension: 2 }),
      slots,
      { 'x.vocabulary': 1 },
      strings('a', '', 'b'),
      { 'inputs/x/table': [0, 1, 2, 3, 4, 5] },
    );
    expect(rows).toEqual([
      [4, 5],
      [0, 1],
      [2, 3],
    ]);
  });

  it('puts a number on an edge into the bucket above', async () => {
    expect(
      await encoded(column('x', 'float64', true), bucketize({ edges: [1, 2] }), {}, {}, float64(0.5, 1, 2, Number.NaN)),
    ).toEqual([
      [0, 1, 0, 0],
      [0, 0, 1, 0],
      [0, 0, 0, 1],
      [1, 0, 0, 0],
    ]);
    const slots: Record<string, SlotValue> = { 'x.bucketEdges': { dtype: 'float64', shape: [2], values: [1, 2] } };
    expect(
      await encoded(
        column('x', 'float64'),
        bucketize({ bins: 2 }),
        slots,
        { 'x.bucketEdges': 2 },
        float64(0.5, 1, 2.5),
      ),
    ).toEqual([
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ]);
  });

  it('encodes piecewise linearly, unbounded below the first and above the last edge', async () => {
    const slots: Record<string, SlotValue> = {
      'x.mean': scalar(2),
      'x.standardDeviation': scalar(1),
      'x.minimum': scalar(0),
      'x.maximum': scalar(4),
      'x.edges': { dtype: 'float64', shape: [3], values: [0, 1, 4] },
    };
    const rows = await encoded(
      column('x', 'float64'),
      piecewiseLinear({ bins: 2 }),
      slots,
      { 'x.edges': 3 },
      float64(0.5, 2.5, -1, 7),
    );
    expect(rows).toEqual([
      [0.5, 0],
      [1, 0.5],
      [-1, 0],
      [1, 2],
    ]);
  });

  it('gives an empty batch for an empty batch', async () => {
    const slots = { 'x.mean': scalar(1), 'x.standardDeviation': scalar(2) };
    expect(await encoded(column('x', 'float64', true), standardize(), slots, {}, float64())).toEqual([]);
  });
});
