import type { CurvePoint } from '../../pipelines/contracts/training.js';

/** The losses of the epochs; a resumed training repeats some, and the later value of an epoch counts. */
export class LearningCurve {
  readonly #byEpoch = new Map<number, CurvePoint>();

  add({ epoch, step, trainLoss, validationLoss, learningRate }: CurvePoint): void {
    this.#byEpoch.set(epoch, { epoch, step, trainLoss, validationLoss, learningRate });
  }

  get points(): readonly CurvePoint[] {
    return [...this.#byEpoch.values()].sort((a, b) => a.epoch - b.epoch);
  }
}
