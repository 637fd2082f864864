import { describe, expect, it } from 'vitest';
import { flopPerRow, resolveGradientShards } from '../../../native/ts/gradient-shards.js';
import { type Body, binaryFit, denseLayer } from '../../integration/native/tabular-fixture.js';

const mlp: Body = (tracer, x) => {
  const a = tracer.apply('relu', [denseLayer(tracer, x, 256, 'a')]);
  return denseLayer(tracer, tracer.apply('relu', [denseLayer(tracer, a, 128, 'b')]), 1, 'c');
};

describe('resolveGradientShards', () => {
  const { graph } = binaryFit(64, 0, mlp);

  it('counts no input gradient for the first layer', () => {
    expect(flopPerRow(graph, {})).toBe(4 * 64 * 256 + 6 * 256 * 128 + 6 * 128);
  });

  it.each([
    [1, 1],
    [64, 1],
    [486, 1],
    [512, 2],
    [1024, 4],
    [8192, 16],
    [1_000_000, 16],
  ])('cuts a batch of %i rows into %i shards', (rows, shards) => {
    expect(resolveGradientShards(graph, {}, rows)).toBe(shards);
  });

  it('keeps 8 rows a shard of a wide network, and 32 with batch norm', () => {
    const wide: Body = (tracer, x) => denseLayer(tracer, denseLayer(tracer, x, 100_000, 'a'), 1, 'b');
    expect(resolveGradientShards(binaryFit(1000, 0, wide).graph, {}, 64)).toBe(8);
    const normalized: Body = (tracer, x) => {
      const width = [1000];
      const scale = tracer.parameter('scale', width, { kind: 'ones' });
      const shift = tracer.parameter('shift', width, { kind: 'zeros' });
      const norm = tracer.apply(
        'batchNorm',
        [x, scale, shift, tracer.buffer('mean', width, 0), tracer.buffer('variance', width, 1)],
        { epsilon: 1e-5, momentum: 0.1 },
      );
      return wide(tracer, norm);
    };
    expect(resolveGradientShards(binaryFit(1000, 0, normalized).graph, {}, 64)).toBe(2);
  });
});
