import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeSafetensors } from '../../../native/ts/safetensors.js';
import { score, train } from '../../../native/ts/train.js';
import { noStatistics, tabularRequest, temporaryFolder, writeFeedFiles } from './tabular-fixture.js';

const callbacks = { onEvent: () => {}, signal: new AbortController().signal };

async function errorOf(promise: Promise<unknown>): Promise<{ code: string; message: string }> {
  const error = await promise.then(
    () => null,
    (cause: unknown) => cause as { code: string; message: string },
  );
  expect(error).not.toBeNull();
  return error!;
}

describe('train and score refuse', () => {
  it('no rows to train on', async () => {
    const folder = temporaryFolder();
    const feed = writeFeedFiles(join(folder, 'feed'), { floats: 3, vocabulary: 0, train: [], validation: [4] });
    expect(await errorOf(train(tabularRequest(folder, feed, 'run'), callbacks))).toMatchObject({
      code: 'DATA_EMPTY',
      message: 'feed.train: expected at least one row; received 0 rows.',
    });
  });

  it('no rows to validate on', async () => {
    const folder = temporaryFolder();
    const feed = writeFeedFiles(join(folder, 'feed'), { floats: 3, vocabulary: 0, train: [4], validation: [0] });
    expect(await errorOf(train(tabularRequest(folder, feed, 'run'), callbacks))).toMatchObject({
      code: 'DATA_EMPTY',
      message: 'feed.validation: expected at least one row; received 0 rows.',
    });
  });

  it('an index beyond its table', async () => {
    const folder = temporaryFolder();
    const feed = writeFeedFiles(join(folder, 'feed'), { floats: 3, vocabulary: 9, train: [200], validation: [10] });
    const error = await errorOf(train(tabularRequest(folder, feed, 'run'), callbacks));
    expect(error.code).toBe('DATA_OUT_OF_RANGE');
    expect(error.message).toMatch(/^embedding: expected an index from 0 to 4; received [5-8]\.$/);
  });

  it('a shard of another shape', async () => {
    const folder = temporaryFolder();
    const feed = writeFeedFiles(join(folder, 'feed'), { floats: 3, vocabulary: 0, train: [8], validation: [4] });
    const wider = { ...feed, floats: ['x0', 'x1', 'x2', 'x3'] };
    const path = join(folder, 'feed', 'train-00000.safetensors');
    expect(await errorOf(train(tabularRequest(folder, wider, 'run'), callbacks))).toMatchObject({
      code: 'ARTIFACT_CORRUPT',
      message: `${path}: expected float32 [8, 4] in 'float'; received float32 [8, 3].`,
    });
  });

  it('weights of another shape', async () => {
    const folder = temporaryFolder();
    const feed = writeFeedFiles(join(folder, 'feed'), { floats: 3, vocabulary: 0, train: [8], validation: [4] });
    const { fit } = tabularRequest(folder, feed, 'run');
    const weightsPath = join(folder, 'weights.safetensors');
    writeSafetensors(weightsPath, {
      'hidden/weight': { dtype: 'float32', shape: [16, 2], data: new Float32Array(32) },
    });
    const request = {
      fit,
      statistics: noStatistics,
      weightsPath,
      feedDirectory: join(folder, 'feed'),
      shards: ['validation-00000.safetensors'],
      rows: null,
      outputs: ['probability'],
      threads: 1,
      dtype: 'float32' as const,
    };
    expect(await errorOf(score(request))).toMatchObject({
      code: 'ARTIFACT_CORRUPT',
      message: `${weightsPath}: expected shape [16, 3] of 'hidden/weight'; received [16, 2].`,
    });
  });

  it('an output that the network does not have', async () => {
    const folder = temporaryFolder();
    const feed = writeFeedFiles(join(folder, 'feed'), { floats: 3, vocabulary: 0, train: [8], validation: [4] });
    const { fit, weightsPath } = tabularRequest(folder, feed, 'run');
    const request = {
      fit,
      statistics: noStatistics,
      weightsPath,
      feedDirectory: join(folder, 'feed'),
      shards: [],
      rows: null,
      outputs: ['odds'],
      threads: 1,
      dtype: 'float32' as const,
    };
    expect(await errorOf(score(request))).toMatchObject({
      code: 'NETWORK_INVALID',
      message: "score.outputs: expected outputs of the network (logits, probability); received 'odds'.",
    });
  });

  it("device 'cuda' where no card is", async () => {
    const folder = temporaryFolder();
    const feed = writeFeedFiles(join(folder, 'feed'), { floats: 3, vocabulary: 0, train: [8], validation: [4] });
    const request = tabularRequest(folder, feed, 'run', { device: 'cuda' });
    const outcome = await train(request, callbacks).then(
      (result) => ({ device: result.device }),
      (error: { code: string; message: string }) => ({ code: error.code, message: error.message }),
    );
    // A machine with a card trains on it.
    if ('device' in outcome) expect(outcome.device).toBe('cuda');
    else
      expect(outcome).toEqual({
        code: 'DEVICE_UNAVAILABLE',
        message:
          "device: expected a CUDA card that libtorch can use; received none. Use device 'auto' or 'cpu', or point LIBTORCH to a libtorch with CUDA and run `millrace setup`.",
      });
  });

  it('nothing where one row trains and one row validates', async () => {
    const folder = temporaryFolder();
    const feed = writeFeedFiles(join(folder, 'feed'), { floats: 1, vocabulary: 0, train: [1], validation: [1] });
    expect(await train(tabularRequest(folder, feed, 'run'), callbacks)).toMatchObject({ epochs: 4, steps: 4 });
  });
});
