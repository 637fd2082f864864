import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openSafetensors, readTensor } from '../../../native/ts/safetensors.js';
import { trainInProcess } from '../../../native/ts/train-in-process.js';
import type { TrainEvent, TrainRequest } from '../../../native/ts/train-types.js';
import type { AttributeValue } from '../../../pipelines/network/graph.js';
import type { Primitive } from '../../../pipelines/network/primitives.js';
import type { Tracer, Value } from '../../../pipelines/network/tracer.js';
import {
  type Body,
  binaryFit,
  denseLayer,
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

describe('the compiled step', () => {
  it.each(Object.entries(bodies))('trains as autograd does, to 1e-10 in float64: %s', async (_name, body) => {
    const folder = temporaryFolder();
    const feed = writeFeedFiles(join(folder, 'feed'), {
      floats: 5,
      vocabulary: 5,
      weight: true,
      train: [150],
      validation: [40],
    });
    const training = {
      ...plainTraining,
      maxEpochs: 2,
      batchSize: 60,
      optimizer: { kind: 'sgd', learningRate: 0.1, momentum: 0.9, nesterov: false, weightDecay: 0 } as const,
    };
    const fit = binaryFit(5, 5, body);
    const run = (name: string, compiled: boolean) =>
      trainWith(tabularRequest(folder, feed, name, { fit, training, gradientShards: 2, dtype: 'float64' }), compiled);
    const fast = await run('compiled', true);
    const reference = await run('autograd', false);
    expect(fast.events[0]).toMatchObject({ kind: 'started', compiled: true });
    expect(reference.events[0]).toMatchObject({ kind: 'started', compiled: false });
    for (const [name, expected] of reference.weights) {
      const scale = Math.max(1e-3, ...expected.map(Math.abs));
      const worst = Math.max(...fast.weights.get(name)!.map((value, i) => Math.abs(value - expected[i]!)));
      expect(worst, name).toBeLessThanOrEqual(1e-10 * scale);
    }
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
