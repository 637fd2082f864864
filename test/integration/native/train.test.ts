import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openSafetensors } from '../../../native/ts/safetensors.js';
import { type ScoreRequest, score, type TrainEvent, train } from '../../../native/ts/train.js';
import { noStatistics, plainTraining, tabularRequest, temporaryFolder, writeFeedFiles } from './tabular-fixture.js';

const signal = new AbortController().signal;

describe('train', () => {
  it('learns a binary label from a feed, in a child process, and scores what it learned', async () => {
    const folder = temporaryFolder();
    const feed = writeFeedFiles(join(folder, 'feed'), {
      floats: 6,
      vocabulary: 5,
      weight: true,
      train: [700, 300],
      validation: [257],
    });
    const request = tabularRequest(folder, feed, 'run');
    const events: TrainEvent[] = [];
    const result = await train(request, { onEvent: (event) => void events.push(event), signal });
    expect(result).toMatchObject({ epochs: 4, steps: 4 * 16, device: 'cpu' });
    expect(result.validationLoss).toBeLessThan(0.35);
    const epochs = events.filter((event) => event.kind === 'epoch');
    expect(epochs.map((event) => event.epoch)).toEqual([0, 1, 2, 3]);
    expect(epochs[3]!.trainLoss).toBeLessThan(epochs[0]!.trainLoss);
    expect(Object.keys(epochs[0]!.weights)).toEqual([
      'plan/table',
      'hidden/weight',
      'hidden/bias',
      'last/weight',
      'last/bias',
    ]);
    const buckets = epochs[0]!.gradients['hidden/weight']!.counts.reduce((sum, count) => sum + count, 0);
    expect(buckets).toBe(16 * 9);
    expect(openSafetensors(request.weightsPath).tensors.map(({ name, shape }) => [name, shape])).toEqual([
      ['plan/table', [5, 3]],
      ['hidden/weight', [16, 9]],
      ['hidden/bias', [16]],
      ['last/weight', [1, 16]],
      ['last/bias', [1]],
    ]);

    const scoring: ScoreRequest = {
      fit: request.fit,
      statistics: noStatistics,
      weightsPath: request.weightsPath,
      feedDirectory: request.feedDirectory,
      shards: ['validation-00000.safetensors'],
      outputs: ['probability', 'logits'],
      threads: 2,
      dtype: 'float32',
    };
    const scored = await score(scoring);
    expect(Object.keys(scored)).toEqual(['probability', 'logits']);
    expect(scored['probability']).toMatchObject({ dtype: 'float32', shape: [257] });
    const alone = await score({ ...scoring, threads: 1 });
    expect(alone).toEqual(scored);
  });

  it('gives the same bytes with 1, 2, 3 and 8 threads', async () => {
    const folder = temporaryFolder();
    const feed = writeFeedFiles(join(folder, 'feed'), { floats: 7, vocabulary: 5, train: [901], validation: [130] });
    const files: Buffer[] = [];
    for (const threads of [1, 2, 3, 8]) {
      const request = tabularRequest(folder, feed, `threads-${threads}`, {
        threads,
        training: { ...plainTraining, maxEpochs: 2, gradientClipNorm: 0.5 },
      });
      await train(request, { onEvent: () => {}, signal });
      files.push(readFileSync(request.weightsPath));
    }
    for (const file of files.slice(1)) expect(file.equals(files[0]!)).toBe(true);
  });
});
