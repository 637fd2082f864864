import { describe, expect, it } from 'vitest';
import type { LearningRateSchedule, Optimizer } from '../../../pipelines/contracts/training.js';
import { compareTrajectories } from './compare-trajectories.js';
import { committedVectors } from './vectors.js';

// The compiler asks for a row here where the contract gets one more kind.
const optimizers: Readonly<Record<Optimizer['kind'], true>> = { sgd: true, adam: true, adamW: true };
const schedules: Readonly<Record<LearningRateSchedule['kind'], true>> = {
  constant: true,
  step: true,
  cosine: true,
  oneCycle: true,
};

describe('training against torch.optim and torch.optim.lr_scheduler', () => {
  const cases = compareTrajectories(committedVectors);

  it('has trajectories of every optimizer and every schedule, with and without clipped gradients', () => {
    const kinds = (find: (one: (typeof cases)[number]) => string): string[] => [...new Set(cases.map(find))].sort();
    expect(kinds(({ optimizer }) => optimizer.kind)).toEqual(Object.keys(optimizers).sort());
    expect(kinds(({ schedule }) => schedule.kind)).toEqual(Object.keys(schedules).sort());
    expect(kinds(({ clip }) => String(clip !== null))).toEqual(['false', 'true']);
  });
});
