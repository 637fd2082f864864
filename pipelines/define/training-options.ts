import { z } from 'zod';
import type { LearningRateSchedule, Optimizer, ResolvedTraining } from '../contracts/training.js';
import { parseOptions } from './parse-options.js';

/** What a user writes for an optimizer: `{ kind: 'adam', learningRate: 1e-3 }`. */
export type OptimizerOptions =
  /** Defaults: momentum 0, nesterov false, weightDecay 0. */
  | {
      readonly kind: 'sgd';
      readonly learningRate: number;
      readonly momentum?: number;
      readonly nesterov?: boolean;
      readonly weightDecay?: number;
    }
  /** Defaults: betas 0.9 and 0.999, epsilon 1e-8; weightDecay 0 for adam, 0.01 for adamW. */
  | {
      readonly kind: 'adam' | 'adamW';
      readonly learningRate: number;
      readonly beta1?: number;
      readonly beta2?: number;
      readonly epsilon?: number;
      readonly weightDecay?: number;
    };

export type ScheduleOptions =
  | { readonly kind: 'constant' }
  | { readonly kind: 'step'; readonly everyEpochs: number; readonly factor?: number }
  | { readonly kind: 'cosine'; readonly warmupFraction?: number; readonly minimumFactor?: number }
  | {
      readonly kind: 'oneCycle';
      readonly warmupFraction?: number;
      readonly startDivisor?: number;
      readonly endDivisor?: number;
    };

/** How a network is trained. */
export interface TrainingOptions {
  /** Default: adam with learningRate 1e-3. */
  readonly optimizer?: OptimizerOptions;
  /** Factor on the learning rate over the steps. Default constant. */
  readonly schedule?: ScheduleOptions;
  /** Rows of one optimizer step. Default 256. */
  readonly batchSize?: number;
  /** Default 20. */
  readonly maxEpochs?: number;
  /** Default: none; the epoch with the lowest validation loss is kept either way. */
  readonly earlyStopping?: { readonly patience: number; readonly minimumDelta?: number };
  /** Scales the gradient to this L2 norm where it is larger. Default: off. */
  readonly gradientClipNorm?: number;
  /** Default 0. */
  readonly seed?: number;
  /** Slices of a batch whose gradients are summed in a fixed tree: the parallelism, and part of the result. Default: from graph and batch size. */
  readonly gradientShards?: number;
  /** Default true: equal bytes at any thread count. `false` enters the plan and changes nothing yet. */
  readonly deterministic?: boolean;
}

const learningRate = z.number().positive().max(100);
const weightDecay = z.number().min(0);
const beta = z.number().min(0).lt(1);

const optimizer = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('sgd'),
    learningRate,
    momentum: beta.default(0),
    nesterov: z.boolean().default(false),
    weightDecay: weightDecay.default(0),
  }),
  z.strictObject({
    kind: z.literal('adam'),
    learningRate,
    beta1: beta.default(0.9),
    beta2: beta.default(0.999),
    epsilon: z.number().positive().default(1e-8),
    weightDecay: weightDecay.default(0),
  }),
  z.strictObject({
    kind: z.literal('adamW'),
    learningRate,
    beta1: beta.default(0.9),
    beta2: beta.default(0.999),
    epsilon: z.number().positive().default(1e-8),
    weightDecay: weightDecay.default(0.01),
  }),
]) satisfies z.ZodType<Optimizer>;

const fraction = z.number().min(0).max(1);
const schedule = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('constant') }),
  z.strictObject({
    kind: z.literal('step'),
    everyEpochs: z.int().min(1),
    factor: z.number().positive().max(1).default(0.1),
  }),
  z.strictObject({
    kind: z.literal('cosine'),
    warmupFraction: fraction.default(0),
    minimumFactor: fraction.default(0),
  }),
  z.strictObject({
    kind: z.literal('oneCycle'),
    warmupFraction: fraction.default(0.3),
    startDivisor: z.number().positive().default(25),
    endDivisor: z.number().positive().default(1e4),
  }),
]) satisfies z.ZodType<LearningRateSchedule>;

export const trainingSchema = z.strictObject({
  optimizer: optimizer.prefault({ kind: 'adam', learningRate: 1e-3 }),
  schedule: schedule.prefault({ kind: 'constant' }),
  batchSize: z.int().min(1).max(1_048_576).default(256),
  maxEpochs: z.int().min(1).max(100_000).default(20),
  earlyStopping: z
    .strictObject({ patience: z.int().min(1), minimumDelta: z.number().min(0).default(0) })
    .nullable()
    .default(null),
  gradientClipNorm: z.number().positive().nullable().default(null),
  seed: z
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .default(0),
  gradientShards: z.int().min(1).max(1024).nullable().default(null),
  deterministic: z.boolean().default(true),
}) satisfies z.ZodType<ResolvedTraining>;

/** Complete training options. @throws CONFIG_INVALID with every problem at once */
export function resolveTraining(options: TrainingOptions, path: string): ResolvedTraining {
  return parseOptions<ResolvedTraining>(trainingSchema, options, path);
}
