import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openInferenceEngine } from '../../../../connectors/onnxruntime/inference-engine.js';
import { primitiveMappings } from '../../../../operators/export/primitive-mappings.js';
import { writeOnnx } from '../../../../operators/export/write-onnx.js';
import type { TensorValue } from '../../../../pipelines/contracts/infer.js';
import type { SlotValue } from '../../../../pipelines/contracts/training.js';
import {
  type AttributeValue,
  BATCH,
  type Dim,
  type DType,
  type TensorGraph,
} from '../../../../pipelines/network/graph.js';
import type { Primitive } from '../../../../pipelines/network/primitives.js';
import { Tracer, type Value } from '../../../../pipelines/network/tracer.js';

const folder = mkdtempSync(join(tmpdir(), 'primitives-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Operand {
  readonly shape: readonly Dim[];
  readonly values: readonly number[];
  readonly dtype?: DType;
  /** Default: an input; a parameter or a slot is written into the model. */
  readonly leaf?: 'parameter' | 'buffer' | 'slot';
}

/** Applies one primitive to operands in a real session; the row count is that of the first operand. */
async function evaluate(
  op: Primitive,
  operands: readonly Operand[],
  attributes: Record<string, AttributeValue> = {},
  rows = 2,
): Promise<{ shape: readonly number[]; values: number[] }> {
  const tracer = new Tracer();
  const slots: Record<string, SlotValue> = {};
  const weights = new Map<string, { shape: number[]; data: Float32Array }>();
  const feeds: Record<string, TensorValue> = {};
  const region = primitiveRegions(op);
  const build = (): Value =>
    tracer.apply(
      op,
      operands.map(({ shape, values, dtype = 'float32', leaf }, index): Value => {
        const sizes = shape.map((dim) => (typeof dim === 'number' ? dim : rows));
        if (leaf === 'slot') {
          slots[`s${index}`] = { dtype: 'float64', shape: sizes, values };
          return tracer.slot({
            name: `s${index}`,
            column: 'x',
            statistic: { kind: 'mean', transform: 'none' },
            dtype: 'float64',
            shape,
            size: null,
          });
        }
        if (leaf !== undefined) {
          weights.set(`w${index}`, { shape: sizes, data: Float32Array.from(values) });
          return leaf === 'buffer'
            ? tracer.buffer(`w${index}`, shape, 0)
            : tracer.parameter(`w${index}`, shape, { kind: 'zeros' });
        }
        feeds[`x${index}`] = tensor(dtype, sizes, values);
        return tracer.input(`x${index}`, dtype, shape);
      }),
      attributes,
    );
  const y = region === 'encode' ? tracer.encode(build) : build();
  const graph: TensorGraph = tracer.finish({ y });
  const path = join(folder, `${op}.onnx`);
  const statistics = {
    formatVersion: 1 as const,
    slots,
    sizes: {},
    rows: { train: 1, validation: 1, test: 1 },
    classes: [],
  };
  writeFileSync(
    path,
    writeOnnx(
      { graph, label: graph, loss: graph, slots: [], task: { kind: 'binary', label: 'y' } },
      statistics,
      weights,
    ),
  );
  await using session = await openInferenceEngine().load(path);
  const result = (await session.run(feeds))['y']!;
  return { shape: result.shape, values: Array.from(result.data as ArrayLike<number | bigint>, Number) };
}

function primitiveRegions(op: Primitive): 'encode' | 'tensor' {
  return op === 'log1p' || op === 'isMissing' || op === 'bucketIndex' ? 'encode' : 'tensor';
}

function tensor(dtype: DType, shape: number[], values: readonly number[]): TensorValue {
  switch (dtype) {
    case 'float32':
      return { dtype, shape, data: Float32Array.from(values) };
    case 'float64':
      return { dtype, shape, data: Float64Array.from(values) };
    case 'int64':
      return { dtype, shape, data: BigInt64Array.from(values.map(BigInt)) };
    case 'bool':
      return { dtype, shape, data: Uint8Array.from(values) };
    case 'string':
      return { dtype, shape, data: values.map(String) };
  }
}

const x: Operand = { shape: [BATCH, 3], values: [-2, -0.5, 0, 0.25, 1, 3] };
const row: Operand = { shape: [3], values: [1, -2, 0.5], leaf: 'parameter' };
const xs = x.values;

function close(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  expected.forEach((value, index) => {
    expect(Math.abs(actual[index]! - value)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(value)));
  });
}

/** erf by its series, to double precision for |x| up to 3. */
function erf(z: number): number {
  let term = z;
  let sum = z;
  for (let n = 1; n < 60; n++) {
    term *= -(z * z) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

function softmax(values: readonly number[]): number[] {
  const exps = values.map((value) => Math.exp(value - Math.max(...values)));
  const total = exps.reduce((sum, value) => sum + value, 0);
  return exps.map((value) => value / total);
}

const unary: [Primitive, (v: number) => number, Record<string, AttributeValue>?][] = [
  ['negate', (v) => -v],
  ['abs', Math.abs],
  ['exp', Math.exp],
  ['square', (v) => v * v],
  ['relu', (v) => Math.max(v, 0)],
  ['leakyRelu', (v) => (v > 0 ? v : 0.2 * v), { slope: 0.2 }],
  ['elu', (v) => (v > 0 ? v : 1.5 * Math.expm1(v)), { alpha: 1.5 }],
  ['gelu', (v) => (v * (1 + erf(v / Math.SQRT2))) / 2],
  ['silu', (v) => v / (1 + Math.exp(-v))],
  ['sigmoid', (v) => 1 / (1 + Math.exp(-v))],
  ['tanh', Math.tanh],
  ['softplus', (v) => Math.log1p(Math.exp(v))],
  ['dropout', (v) => v, { rate: 0.5 }],
];

describe('a primitive in ONNX', () => {
  it.each(unary)('%s computes its formula', async (op, formula, attributes) => {
    const result = await evaluate(op, [x], attributes);
    expect(result.shape).toEqual([2, 3]);
    close(result.values, xs.map(formula));
  });

  it('takes roots and logarithms of positive numbers', async () => {
    const positive: Operand = { shape: [BATCH], values: [0.25, 4] };
    close((await evaluate('sqrt', [positive])).values, [0.5, 2]);
    close((await evaluate('log', [positive])).values, [Math.log(0.25), Math.log(4)]);
    close((await evaluate('log1p', [{ shape: [BATCH], values: [0.25, 4], dtype: 'float64' }])).values, [
      Math.log(1.25),
      Math.log(5),
    ]);
  });

  it.each([
    ['add', (a: number, b: number) => a + b],
    ['subtract', (a: number, b: number) => a - b],
    ['multiply', (a: number, b: number) => a * b],
    ['divide', (a: number, b: number) => a / b],
    ['minimum', Math.min],
    ['maximum', Math.max],
  ] as const)('%s broadcasts a row', async (op, formula) => {
    close(
      (await evaluate(op, [x, row])).values,
      xs.map((value, index) => formula(value, row.values[index % 3]!)),
    );
  });

  it.each([
    ['equal', (a: number, b: number) => a === b],
    ['greater', (a: number, b: number) => a > b],
    ['greaterOrEqual', (a: number, b: number) => a >= b],
  ] as const)('%s gives 0 and 1', async (op, formula) => {
    const values = [1, -2, 0, 3, -3, 0.5];
    const result = await evaluate(op, [{ ...x, values }, row]);
    expect(result.values).toEqual(values.map((value, index) => Number(formula(value, row.values[index % 3]!))));
  });

  it('chooses by a condition, bools as well', async () => {
    const condition: Operand = { shape: [BATCH], values: [1, 0], dtype: 'bool' };
    expect(
      (await evaluate('where', [condition, { shape: [BATCH], values: [1, 2] }, { shape: [BATCH], values: [3, 4] }]))
        .values,
    ).toEqual([1, 4]);
    const bools = (values: number[]): Operand => ({ shape: [BATCH], values, dtype: 'bool' });
    expect((await evaluate('where', [condition, bools([1, 1]), bools([0, 0])])).values).toEqual([1, 0]);
    expect((await evaluate('not', [condition])).values).toEqual([0, 1]);
    expect((await evaluate('cast', [condition], { to: 'int64' })).values).toEqual([1, 0]);
  });

  it('knows what is missing: NaN and nothing else', async () => {
    expect(
      (await evaluate('isMissing', [{ shape: [BATCH], values: [Number.NaN, 0], dtype: 'float32' }])).values,
    ).toEqual([1, 0]);
    expect((await evaluate('isMissing', [{ shape: [BATCH], values: [1, 0], dtype: 'int64' }])).values).toEqual([0, 0]);
    expect((await evaluate('isMissing', [{ shape: [BATCH], values: [1, 0], dtype: 'bool' }])).values).toEqual([0, 0]);
  });

  it('counts edges', async () => {
    const edges: Operand = { shape: [3], values: [0, 1, 1.5], leaf: 'slot' };
    expect(
      (await evaluate('bucketIndex', [{ shape: [BATCH], values: [-1, 1], dtype: 'float64' }, edges])).values,
    ).toEqual([0, 2]);
  });

  it('reshapes, joins and cuts', async () => {
    expect(await evaluate('expandDims', [{ shape: [BATCH], values: [1, 2] }], { axis: 1 })).toEqual({
      shape: [2, 1],
      values: [1, 2],
    });
    expect(await evaluate('squeeze', [{ shape: [BATCH, 1], values: [1, 2] }], { axis: 1 })).toEqual({
      shape: [2],
      values: [1, 2],
    });
    expect(await evaluate('concat', [x, { shape: [BATCH, 1], values: [8, 9] }], { axis: 1 })).toEqual({
      shape: [2, 4],
      values: [-2, -0.5, 0, 8, 0.25, 1, 3, 9],
    });
    expect(await evaluate('slice', [x], { axis: 1, skipFirst: 1, skipLast: 0 })).toEqual({
      shape: [2, 2],
      values: [-0.5, 0, 1, 3],
    });
    expect(await evaluate('slice', [x], { axis: 1, skipFirst: 0, skipLast: 2 })).toEqual({
      shape: [2, 1],
      values: [-2, 0.25],
    });
    close((await evaluate('reduceSum', [x], { axis: 1 })).values, [-2.5, 4.25]);
    close((await evaluate('reduceMean', [x], { axis: 1 })).values, [-2.5 / 3, 4.25 / 3]);
    expect(
      await evaluate('oneHot', [{ shape: [BATCH], values: [2, 0], dtype: 'int64' }], {
        depthSymbol: null,
        depthPlus: 3,
      }),
    ).toEqual({ shape: [2, 3], values: [0, 0, 1, 1, 0, 0] });
  });

  it('multiplies matrices', async () => {
    const weight: Operand = { shape: [2, 3], values: [1, 2, 3, 4, 5, 6], leaf: 'parameter' };
    const bias: Operand = { shape: [2], values: [10, 20], leaf: 'parameter' };
    const product = [-2 - 1, -8 - 2.5, 0.25 + 2 + 9, 1 + 5 + 18];
    expect(await evaluate('linear', [x, weight])).toEqual({ shape: [2, 2], values: product });
    expect(await evaluate('linear', [x, weight, bias])).toEqual({
      shape: [2, 2],
      values: product.map((value, index) => value + [10, 20][index % 2]!),
    });
    const cube: Operand = { ...x, shape: [BATCH, 1, 3] };
    expect(await evaluate('linear', [cube, weight, bias])).toEqual({
      shape: [2, 1, 2],
      values: product.map((value, index) => value + [10, 20][index % 2]!),
    });
    expect(await evaluate('linear', [cube, weight])).toEqual({ shape: [2, 1, 2], values: product });
    expect(await evaluate('matmul', [x, { shape: [3, 1], values: [1, 10, 100], leaf: 'parameter' }])).toEqual({
      shape: [2, 1],
      values: [-7, 310.25],
    });
    expect(await evaluate('embedding', [{ shape: [BATCH], values: [1, 0], dtype: 'int64' }, weight])).toEqual({
      shape: [2, 3],
      values: [4, 5, 6, 1, 2, 3],
    });
  });

  it('normalizes', async () => {
    close((await evaluate('softmax', [x])).values, [...softmax(xs.slice(0, 3)), ...softmax(xs.slice(3))]);
    close(
      (await evaluate('logSoftmax', [x])).values,
      [...softmax(xs.slice(0, 3)), ...softmax(xs.slice(3))].map(Math.log),
    );
    const channel = (values: number[], leaf: 'parameter' | 'buffer'): Operand => ({ shape: [3], values, leaf });
    const [scale, bias, mean, variance] = [
      [1, 2, 3],
      [0.5, 0, -0.5],
      [0.1, 0.2, 0.3],
      [1, 4, 0.25],
    ] as const;
    const operands = [
      x,
      channel([...scale], 'parameter'),
      channel([...bias], 'parameter'),
      channel([...mean], 'buffer'),
      channel([...variance], 'buffer'),
    ];
    const normalized = xs.map(
      (value, index) =>
        ((value - mean[index % 3]!) / Math.sqrt(variance[index % 3]! + 1e-5)) * scale[index % 3]! + bias[index % 3]!,
    );
    close((await evaluate('batchNorm', operands, { epsilon: 1e-5, momentum: 0.1 })).values, normalized);
    const expected = [0, 3].flatMap((start) => {
      const part = xs.slice(start, start + 3);
      const average = part.reduce((sum, value) => sum + value, 0) / 3;
      const spread = part.reduce((sum, value) => sum + (value - average) ** 2, 0) / 3;
      return part.map((value, index) => ((value - average) / Math.sqrt(spread + 1e-5)) * scale[index]! + bias[index]!);
    });
    close((await evaluate('layerNorm', operands.slice(0, 3), { epsilon: 1e-5 })).values, expected);
  });

  it('computes nothing for an empty batch', async () => {
    for (const [op, , attributes] of unary) {
      expect(await evaluate(op, [{ shape: [BATCH, 3], values: [] }], attributes, 0)).toEqual({
        shape: [0, 3],
        values: [],
      });
    }
  });

  it('is refused where it is a loss', async () => {
    await expect(evaluate('squaredError', [x, x])).rejects.toMatchObject({
      code: 'GRAPH_NOT_EXPORTABLE',
      message:
        "squaredError: expected primitives that ONNX has; received 'squaredError': a loss is for training alone.",
    });
    const losses = Object.entries(primitiveMappings).filter(([, mapping]) => mapping.kind === 'notExportable');
    expect(losses.map(([name]) => name)).toEqual([
      'sigmoidCrossEntropy',
      'softmaxCrossEntropy',
      'squaredError',
      'absoluteError',
      'huberError',
    ]);
  });
});
