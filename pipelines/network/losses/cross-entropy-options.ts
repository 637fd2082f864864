import { z } from 'zod';
import type { ClassWeights } from './loss.js';

export interface CrossEntropyOptions {
  /** Multiplies the rows' weights, by class name. Default: 1 for every class. */
  readonly classWeights?: ClassWeights;
  /** s in (1 - s) target + s / classes (Szegedy et al. 2016). Default: 0. */
  readonly labelSmoothing?: number;
}

export const crossEntropyOptions = z.strictObject({
  classWeights: z.record(z.string(), z.number().min(0)).optional(),
  labelSmoothing: z.number().min(0).lt(1).default(0),
});
