import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openSafetensors, readTensor } from '../../../native/ts/safetensors.js';
import { trainInProcess } from '../../../native/ts/train-in-process.js';
import type { TrainEvent, TrainRequest } from '../../../native/ts/train-types.js';
import type { StatisticsDocument } from '../../../pipelines/contracts/training.js';
import type { AttributeValue, FitGraph } from '../../../pipelines/network/graph.js';
import type { Primitive } from '../../../pipelines/network/primitives.js';
import { traceFit } from '../../../pipelines/network/trace-fit.js';
import type { Tracer, Value } from '../../../pipelines/network/tracer.js';
import { dense, dropout, network, output, piecewiseLinear, standardize } from '../../../pipelines/nn.js';
import {
  type Body,
  binaryFit,
  denseLayer,
  noStatistics,
  plainTraining,
  tabularRequest,
  temporaryFolder,
  writeFeedFiles,
} from '../../integration/native/tabular-fixture.js';

const activation =
  (op: Primitive, attributes: Record<string, AttributeValue> = {}): Body =>
  (tracer, x) =>
    denseLayer(tracer, tracer.apply(op, [denseLayer(tracer, x, 7, 'a')], attributes), 1, 'b');

function normalized(tracer: Tracer, x: Value, op: 'batchNorm' | 'layerNorm'): Value {
  return tracer.scope('norm', () => {
    const width = [x.shape[1]!];
    const scale = tracer.parameter('scale', width, { kind: 'constant', value: 1.25 });
    const bias = tracer.parameter('bias', width, { kind: 'constant', value: 0.5 });
    if (op === 'layerNorm') return tracer.apply(op, [x, scale, bias], { epsilon: 1e-5 });
    return tracer.apply(op, [x, scale, bias, tracer.buffer('mean', width, 0), tracer.buffer('variance', width, 1)], {
      epsilon: 1e-5,
      momentum: 0.1,
    });
  });
}

const bodies: Record<string, Body> = {
  'one linear layer': (tracer, x) => denseLayer(tracer, x, 1, 'a'),
  relu: activation('relu'),
  leakyRelu: activation('leakyRelu', { slope: 0.1 }),
  elu: activation('elu', { alpha: 0.7 }),
  gelu: activation('gelu'),
  silu: activation('silu'),
  sigmoid: activation('sigmoid'),
  tanh: activation('tanh'),
  softplus: activation('softplus'),
  'dropout behind relu, sigmoid and the input': (tracer, x) => {
    const wet = tracer.apply('dropout', [x], { rate: 0.3 });
    const a = tracer.apply('dropout', [tracer.apply('relu', [denseLayer(tracer, wet, 33, 'a')])], { rate: 0.5 });
    const b = tracer.apply('dropout', [tracer.apply('sigmoid', [denseLayer(tracer, a, 18, 'b')])], { rate: 0.2 });
    return denseLayer(tracer, b, 1, 'c');
  },
  batchNorm: (tracer, x) =>
    denseLayer(tracer, tracer.apply('relu', [normalized(tracer, denseLayer(tracer, x, 9, 'a'), 'batchNorm')]), 1, 'b'),
  layerNorm: (tracer, x) =>
    denseLayer(tracer, tracer.apply('relu', [normalized(tracer, denseLayer(tracer, x, 35, 'a'), 'layerNorm')]), 1, 'b'),
  'a residual block that reads a value twice': (tracer, x) => {
    const a = tracer.apply('tanh', [denseLayer(tracer, x, 12, 'a')]);
    const b = tracer.apply('relu', [denseLayer(tracer, a, 12, 'b')]);
    const sum = tracer.apply('add', [a, tracer.apply('multiply', [b, tracer.apply('subtract', [a, b])])]);
    return denseLayer(tracer, tracer.apply('concat', [sum, a], { axis: 1 }), 1, 'c');
  },
  'a layer that is used twice': (tracer, x) => {
    const a = tracer.apply('relu', [denseLayer(tracer, x, 10, 'a')]);
    const weight = tracer.parameter('shared', [10, 10], { kind: 'fanInUniform', axis: 1, gain: 1 });
    const twice = tracer.apply('relu', [
      tracer.apply('linear', [tracer.apply('relu', [tracer.apply('linear', [a, weight])]), weight]),
    ]);
    return denseLayer(tracer, twice, 1, 'b');
  },
};

/** Arithmetic with what is the same in every batch: numbers, and the row `row` of the statistics. */
const constants: Record<string, Body> = {
  'numbers on either side of every operation': (tracer, x) => {
    const number = (value: number) => tracer.constant(value, 'float32');
    const a = denseLayer(tracer, x, 7, 'a');
    const clipped = tracer.apply('maximum', [
      tracer.apply('minimum', [tracer.apply('subtract', [number(0.25), a]), number(0.3)]),
      number(-0.2),
    ]);
    const scaled = tracer.apply('add', [tracer.apply('multiply', [number(3), clipped]), number(0.5)]);
    const positive = tracer.apply('add', [number(1.5), tracer.apply('sigmoid', [a])]);
    const inverse = tracer.apply('divide', [number(2), tracer.apply('divide', [positive, number(0.7)])]);
    return denseLayer(tracer, tracer.apply('concat', [scaled, inverse, a], { axis: 1 }), 1, 'b');
  },
  'a bend at which both sides are equal': (tracer, x) => {
    const a = tracer.apply('relu', [denseLayer(tracer, x, 9, 'a')]);
    const zero = tracer.constant(0, 'float32');
    return denseLayer(
      tracer,
      tracer.apply('add', [tracer.apply('maximum', [a, zero]), tracer.apply('minimum', [zero, a])]),
      1,
      'b',
    );
  },
  'a row, and a column that is repeated along it': (tracer, x) => {
    const spec = { name: 'row', column: 'x0', statistic: { kind: 'quantiles', bins: 4 }, dtype: 'float64' } as const;
    const row = tracer.apply('cast', [tracer.slot({ ...spec, shape: [5], size: null })], { to: 'float32' });
    const column = denseLayer(tracer, x, 1, 'a');
    const far = tracer.apply('subtract', [column, row]);
    const near = tracer.apply('multiply', [tracer.apply('tanh', [denseLayer(tracer, x, 5, 'b')]), row]);
    return denseLayer(
      tracer,
      tracer.apply('concat', [far, near, tracer.apply('minimum', [row, column])], { axis: 1 }),
      1,
      'c',
    );
  },
  'a chain over columns of the feed, read twice': (tracer, x) => {
    const number = (value: number) => tracer.constant(value, 'float32');
    const shifted = tracer.apply('divide', [tracer.apply('subtract', [x, number(0.1)]), number(0.4)]);
    const low = tracer.apply('minimum', [tracer.apply('add', [shifted, number(1)]), number(0.5)]);
    return denseLayer(tracer, tracer.apply('concat', [low, shifted], { axis: 1 }), 1, 'a');
  },
};

const row: StatisticsDocument = {
  ...noStatistics,
  slots: { row: { dtype: 'float64', shape: [5], values: [-0.9, -0.2, 0.1, 0.4, 1.3] } },
};

/** Numbers of the feed, from -1 to 1, in piecewise linear bins: a bin of no width, and open and closed ends among them. */
const piecewise = {
  fit: traceFit({
    columns: [
      ...['x0', 'x1', 'x2', 'x3', 'x4'].map((name) => ({ name, type: { kind: 'float64', nullable: false } as const })),
      { name: 'y', type: { kind: 'bool', nullable: false } },
    ],
    label: 'y',
    task: 'binary',
    inputs: {
      x0: piecewiseLinear({ bins: 4 }),
      x1: piecewiseLinear({ bins: 40 }),
      x2: piecewiseLinear({ bins: 1 }),
      x3: standardize(),
      x4: standardize(),
    } as never,
    network: network(dense(12, 'relu'), dropout(0.1), output()),
    loss: null,
    weight: null,
  }),
  statistics: {
    ...noStatistics,
    slots: {
      ...slotsOf('x0', [-1, -0.4, 0.1, 0.1 + 1e-13, 1], -1, 1),
      ...slotsOf(
        'x1',
        Array.from({ length: 41 }, (_, i) => (i - 20) / 25),
        -1,
        1,
      ),
      ...slotsOf('x2', [-0.5, 0.5], -0.5, 0.5),
    },
    sizes: { 'x0.edges': 5, 'x1.edges': 41, 'x2.edges': 2 },
  } satisfies StatisticsDocument,
};

function slotsOf(
  column: string,
  edges: readonly number[],
  minimum: number,
  maximum: number,
): StatisticsDocument['slots'] {
  const scalar = (value: number) => ({ dtype: 'float64', shape: [], values: [value] }) as const;
  return {
    [`${column}.edges`]: { dtype: 'float64', shape: [edges.length], values: edges },
    [`${column}.minimum`]: scalar(minimum),
    [`${column}.maximum`]: scalar(maximum),
    [`${column}.mean`]: scalar(0.05),
    [`${column}.standardDeviation`]: scalar(0.9),
  };
}

async function trainWith(
  request: TrainRequest,
  compiled: boolean,
): Promise<{ events: TrainEvent[]; weights: Map<string, Float64Array> }> {
  const events: TrainEvent[] = [];
  await trainInProcess(request, (event) => events.push(event), { compiled, checkpointSeconds: 30 }).promise;
  const file = openSafetensors(request.weightsPath);
  return {
    events,
    weights: new Map(file.tensors.map(({ name }) => [name, readTensor(file, name).data as Float64Array])),
  };
}

/** Trains with both steps and compares the weights. */
async function compareSteps(fit: FitGraph, vocabulary: number, statistics: StatisticsDocument): Promise<void> {
  const folder = temporaryFolder();
  const options = { floats: 5, vocabulary, weight: true, train: [150], validation: [40] };
  const feed = writeFeedFiles(join(folder, 'feed'), options);
  const training = {
    ...plainTraining,
    maxEpochs: 2,
    batchSize: 60,
    optimizer: { kind: 'sgd', learningRate: 0.1, momentum: 0.9, nesterov: false, weightDecay: 0 } as const,
  };
  const run = (name: string, compiled: boolean) =>
    trainWith(
      tabularRequest(folder, feed, name, { fit, statistics, training, gradientShards: 2, dtype: 'float64' }),
      compiled,
    );
  const fast = await run('compiled', true);
  const reference = await run('autograd', false);
  expect(fast.events[0]).toMatchObject({ kind: 'started', compiled: true });
  expect(reference.events[0]).toMatchObject({ kind: 'started', compiled: false });
  for (const [name, expected] of reference.weights) {
    const scale = Math.max(1e-3, ...expected.map(Math.abs));
    const worst = Math.max(...fast.weights.get(name)!.map((value, i) => Math.abs(value - expected[i]!)));
    expect(worst, name).toBeLessThanOrEqual(1e-10 * scale);
  }
}

describe('the compiled step', () => {
  it.each(Object.entries(bodies))('trains as autograd does, to 1e-10 in float64: %s', async (_name, body) => {
    await compareSteps(binaryFit(5, 5, body), 5, noStatistics);
  });

  it.each(Object.entries(constants))('trains as autograd does with constants: %s', async (_name, body) => {
    await compareSteps(binaryFit(5, 0, body), 0, row);
  });

  it('trains as autograd does on piecewise linear inputs, to 1e-10 in float64', async () => {
    await compareSteps(piecewise.fit, 0, piecewise.statistics);
  });

  it('gives the same bytes on piecewise linear inputs with 1, 2, 3 and 8 threads', async () => {
    const folder = temporaryFolder();
    const feed = writeFeedFiles(join(folder, 'feed'), { floats: 5, vocabulary: 0, train: [901], validation: [130] });
    const files: Buffer[] = [];
    for (const threads of [1, 2, 3, 8]) {
      const request = tabularRequest(folder, feed, `threads-${threads}`, { ...piecewise, threads });
      const { events } = await trainWith(request, true);
      expect(events[0]).toMatchObject({ kind: 'started', compiled: true });
      files.push(readFileSync(request.weightsPath));
    }
    for (const file of files.slice(1)) expect(file.equals(files[0]!)).toBe(true);
  });

  it('is not taken for a primitive that it does not know, and training goes on through autograd', async () => {
    const folder = temporaryFolder();
    const feed = writeFeedFiles(join(folder, 'feed'), { floats: 3, vocabulary: 0, train: [50], validation: [20] });
    const request = tabularRequest(folder, feed, 'exp', { fit: binaryFit(3, 0, activation('exp')) });
    const { events } = await trainWith(request, true);
    expect(events[0]).toMatchObject({ kind: 'started', compiled: false });
    expect(readFileSync(request.weightsPath).length).toBeGreaterThan(0);
  });
});
