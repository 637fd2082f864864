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
      rows: null,
      outputs: ['probability', 'logits'],
      threads: 2,
      dtype: 'float32',
    };
    const scored = await score(scoring);
    expect(Object.keys(scored)).toEqual(['probability', 'logits']);
    expect(scored['probability']).toMatchObject({ dtype: 'float32', shape: [257] });
    const alone = await score({ ...scoring, threads: 1 });
    expect(alone).toEqual(scored);
    const first = await score({ ...scoring, rows: 100 });
    expect(first['probability']!.shape).toEqual([100]);
    // Of a block of rows the last ones may take another kernel: the last bit differs.
    for (const [row, value] of (first['probability']!.data as Float32Array).entries())
      expect(value).toBeCloseTo((scored['probability']!.data as Float32Array)[row]!, 6);
  });

  it('stops once no epoch was better for as long as it is patient, and keeps the weights of the best one', async () => {
    const folder = temporaryFolder();
    // So few rows that the network soon learns them by heart.
    const feed = writeFeedFiles(join(folder, 'feed'), { floats: 6, vocabulary: 5, train: [70], validation: [90] });
    const training = {
      ...plainTraining,
      optimizer: { ...plainTraining.optimizer, learningRate: 3e-2 },
      batchSize: 16,
      maxEpochs: 60,
    };
    const trained = async (name: string, changes: Partial<typeof plainTraining>) => {
      const losses: number[] = [];
      const request = tabularRequest(folder, feed, name, { training: { ...training, ...changes } });
      const onEvent = (event: TrainEvent): void => {
        if (event.kind === 'epoch') losses.push(event.validationLoss);
      };
      return { result: await train(request, { onEvent, signal }), losses, weights: readFileSync(request.weightsPath) };
    };
    const whole = await trained('whole', {});
    expect(whole.losses).toHaveLength(60);
    const best = whole.losses.indexOf(Math.min(...whole.losses));
    expect(whole.result).toMatchObject({ epochs: 60, bestEpoch: best, validationLoss: whole.losses[best] });
    for (const [patience, minimumDelta] of [
      [1, 0],
      [4, 0],
      [3, 0.02],
    ] as const) {
      const stopped = await trained(`patience-${patience}-${minimumDelta}`, {
        earlyStopping: { patience, minimumDelta },
      });
      const epochs = epochsOf(whole.losses, patience, minimumDelta);
      expect(epochs).toBeLessThan(60);
      const seen = whole.losses.slice(0, epochs);
      const bestEpoch = seen.indexOf(Math.min(...seen));
      expect({ patience, losses: stopped.losses }).toEqual({ patience, losses: seen });
      expect(stopped.result).toMatchObject({ epochs, bestEpoch, validationLoss: seen[bestEpoch] });
      const alone = await trained(`alone-${patience}-${minimumDelta}`, { maxEpochs: bestEpoch + 1 });
      expect(stopped.weights.equals(alone.weights)).toBe(true);
    }
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

/** How many epochs are trained, by the rule of Keras's EarlyStopping: what counts is being better than the last better one by the delta. */
function epochsOf(losses: readonly number[], patience: number, minimumDelta: number): number {
  let reference = Number.POSITIVE_INFINITY;
  let stale = 0;
  for (const [epoch, loss] of losses.entries()) {
    const isBetter = loss < reference - minimumDelta;
    if (isBetter) reference = loss;
    stale = isBetter ? 0 : stale + 1;
    if (stale >= patience) return epoch + 1;
  }
  return losses.length;
}
