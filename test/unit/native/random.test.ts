import { describe, expect, it } from 'vitest';
import { runGraph } from '../../../native/ts/run-graph.js';
import { BATCH, type Initializer } from '../../../pipelines/network/graph.js';
import { Tracer } from '../../../pipelines/network/tracer.js';

/** Philox4x32-10 after Salmon et al. 2011, written apart from native/core/philox.h. */
function philox(key: bigint, counter: readonly [number, number, number, number]): number[] {
  let [c0, c1, c2, c3] = counter.map(BigInt) as [bigint, bigint, bigint, bigint];
  let k0 = key & 0xffffffffn;
  let k1 = key >> 32n;
  for (let round = 0; round < 10; round++) {
    const p0 = 0xd2511f53n * c0;
    const p1 = 0xcd9e8d57n * c2;
    [c0, c1, c2, c3] = [(p1 >> 32n) ^ c1 ^ k0, p1 & 0xffffffffn, (p0 >> 32n) ^ c3 ^ k1, p0 & 0xffffffffn];
    k0 = (k0 + 0x9e3779b9n) & 0xffffffffn;
    k1 = (k1 + 0xbb67ae85n) & 0xffffffffn;
  }
  return [c0, c1, c2, c3].map(Number);
}

function fnv1a(name: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(name)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  return hash;
}

function initial(initializer: Initializer, shape: readonly number[], seed: number): readonly number[] {
  const tracer = new Tracer();
  const value = tracer.parameter('layer/weight', shape, initializer);
  const { outputs } = runGraph({
    graph: tracer.finish({ value }),
    inputs: {},
    parameters: {},
    buffers: {},
    slots: {},
    mode: 'evaluation',
    dtype: 'float64',
    seed,
    step: 0,
    outputs: ['value'],
    objective: null,
  });
  return [...(outputs['value']!.data as Float64Array)];
}

describe('random values', () => {
  it('come from Philox4x32-10: the published answers for counter and key of zeros and ones', () => {
    expect(philox(0n, [0, 0, 0, 0])).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
    const ones = 0xffffffff;
    expect(philox(0xffffffffffffffffn, [ones, ones, ones, ones])).toEqual([
      0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd,
    ]);
  });

  it('drop by seed, step, row, node and column alone', () => {
    const [rows, columns, rate, seed, step] = [3, 70, 0.4, 12345, 9];
    const tracer = new Tracer();
    const x = tracer.input('x', 'float32', [BATCH, columns]);
    const dropped = tracer.apply('dropout', [x], { rate });
    const { outputs } = runGraph({
      graph: tracer.finish({ dropped }),
      inputs: { x: { dtype: 'float32', shape: [rows, columns], data: new Float32Array(rows * columns).fill(1) } },
      parameters: {},
      buffers: {},
      slots: {},
      mode: 'training',
      dtype: 'float32',
      seed,
      step,
      outputs: ['dropped'],
      objective: null,
    });
    const expected = Array.from({ length: rows * columns }, (_, i) => {
      const [row, column] = [Math.floor(i / columns), i % columns];
      const bits = philox(BigInt(seed), [Math.floor(column / 4), row, step, dropped.index])[column % 4]!;
      return bits >= Math.floor(rate * 2 ** 32) ? Math.fround(1 / (1 - rate)) : 0;
    });
    expect([...(outputs['dropped']!.data as Float32Array)]).toEqual(expected);
  });

  it('initialize uniformly in [-bound, bound) by seed, name and element', () => {
    const values = initial({ kind: 'fanInUniform', axis: 1, gain: 2 }, [5, 16], 77);
    const hash = fnv1a('layer/weight');
    const expected = values.map((_, i) => {
      const bits = philox(77n, [Math.floor(i / 4), 0, Number(hash & 0xffffffffn), Number(hash >> 32n)])[i % 4]!;
      return (2 * ((bits >>> 8) / 2 ** 24) - 1) * (2 / Math.sqrt(16));
    });
    expect(values).toEqual(expected);
  });

  it('initialize normally with the standard deviation that is asked for', () => {
    const values = initial({ kind: 'normal', standardDeviation: 3 }, [20_001], 5);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
    expect(Math.abs(mean)).toBeLessThan(0.1);
    expect(Math.abs(deviation - 3)).toBeLessThan(0.1);
  });
});
