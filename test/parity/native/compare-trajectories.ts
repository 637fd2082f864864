import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openSafetensors, readTensor, writeSafetensors } from '../../../native/ts/safetensors.js';
import { trainInProcess } from '../../../native/ts/train-in-process.js';
import type { LearningRateSchedule, Optimizer } from '../../../pipelines/contracts/training.js';
import {
  binaryFit,
  denseLayer,
  plainTraining,
  tabularRequest,
  temporaryFolder,
} from '../../integration/native/tabular-fixture.js';
import { type NumberTensor, openVectors, relativeError, type Tensor } from './vectors.js';

export interface Trajectory {
  readonly name: string;
  readonly optimizer: Optimizer;
  readonly schedule: LearningRateSchedule;
  readonly clip: number | null;
}

const names = ['hidden/weight', 'hidden/bias', 'last/weight', 'last/bias'];
const steps = 20;

function prepare(tensor: Tensor): { folder: string; rows: number; width: number; hidden: number } {
  const folder = temporaryFolder();
  const x = tensor('x');
  const feed = { float: x, label: tensor('label'), weight: tensor('weight') };
  for (const split of ['train', 'validation']) writeSafetensors(join(folder, `${split}.safetensors`), feed);
  writeSafetensors(
    join(folder, 'start.safetensors'),
    Object.fromEntries(names.map((name) => [name, tensor(`start/${name}`)])),
  );
  return { folder, rows: x.shape[0]!, width: x.shape[1]!, hidden: tensor('start/hidden/bias').shape[0]! };
}

/** A test for each trajectory of the directory; returns them. */
export function compareTrajectories(directory: string): readonly Trajectory[] {
  const { cases, tensor } = openVectors<Trajectory>(directory, 'trajectories');
  it.each(cases.map((vector) => [vector.name, vector] as const))(
    '20 steps of %s end at the same weights to 1e-9 in float64',
    async (name, vector) => {
      const { folder, rows, width, hidden } = prepare(tensor);
      const shards = (split: string) => ({ rows, shards: [{ path: `${split}.safetensors`, rows }] });
      const feed = {
        floats: Array.from({ length: width }, (_, i) => `x${i}`),
        indices: [],
        hasWeight: true,
        targets: 1,
        splits: { train: shards('train'), validation: shards('validation') },
      };
      const fit = binaryFit(width, 0, (tracer, x) =>
        denseLayer(tracer, tracer.apply('tanh', [denseLayer(tracer, x, hidden, 'hidden')]), 1, 'last'),
      );
      for (const compiled of [true, false]) {
        const request = tabularRequest(folder, feed, `compiled-${compiled}`, {
          fit,
          feedDirectory: folder,
          dtype: 'float64',
          gradientShards: 1,
          initialWeights: join(folder, 'start.safetensors'),
          training: {
            ...plainTraining,
            optimizer: vector.optimizer,
            schedule: vector.schedule,
            gradientClipNorm: vector.clip,
            batchSize: rows,
            maxEpochs: steps,
          },
        });
        const result = await trainInProcess(request, () => {}, { compiled, checkpointSeconds: 30 }).promise;
        // The best epoch is kept; the checkpoint holds the last one.
        expect(result.steps).toBe(steps);
        const checkpoint = openSafetensors(join(request.checkpointDirectory, 'checkpoint.safetensors'));
        for (const parameter of names) {
          const ours = readTensor(checkpoint, `current/${parameter}`) as NumberTensor;
          expect(
            relativeError(ours, tensor(`${name}/${parameter}`)),
            `${parameter}, compiled ${compiled}`,
          ).toBeLessThanOrEqual(1e-9);
        }
      }
    },
  );
  return cases;
}
