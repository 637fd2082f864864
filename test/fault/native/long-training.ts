import { join } from 'node:path';
import type { TrainRequest } from '../../../native/ts/train.js';
import {
  binaryFit,
  denseLayer,
  plainTraining,
  tabularRequest,
  writeFeedFiles,
} from '../../integration/native/tabular-fixture.js';

/** A training of a second or two, with batch norm and dropout, whose epochs are long enough to be hit in the middle. */
export function longRequest(
  folder: string,
  name: string,
  changes: Partial<TrainRequest['training']> = {},
): TrainRequest {
  const feed = writeFeedFiles(join(folder, 'feed'), {
    floats: 16,
    vocabulary: 0,
    train: [12_000, 8_000],
    validation: [500],
  });
  const fit = binaryFit(16, 0, (tracer, x) => {
    const hidden = denseLayer(tracer, x, 64, 'a');
    const width = [64];
    const normalized = tracer.apply(
      'batchNorm',
      [
        hidden,
        tracer.parameter('scale', width, { kind: 'ones' }),
        tracer.parameter('shift', width, { kind: 'zeros' }),
        tracer.buffer('mean', width, 0),
        tracer.buffer('variance', width, 1),
      ],
      { epsilon: 1e-5, momentum: 0.1 },
    );
    return denseLayer(tracer, tracer.apply('dropout', [tracer.apply('relu', [normalized])], { rate: 0.2 }), 1, 'b');
  });
  return tabularRequest(folder, feed, name, {
    fit,
    gradientShards: 2,
    training: { ...plainTraining, batchSize: 64, maxEpochs: 5, ...changes },
  });
}
