import type { FitGraph } from '../network/graph.js';

export type Optimizer =
  | {
      readonly kind: 'sgd';
      readonly learningRate: number;
      readonly momentum: number;
      readonly nesterov: boolean;
      readonly weightDecay: number;
    }
  /** weightDecay is added to the gradient (Kingma and Ba 2015, as torch.optim.Adam). */
  | {
      readonly kind: 'adam';
      readonly learningRate: number;
      readonly beta1: number;
      readonly beta2: number;
      readonly epsilon: number;
      readonly weightDecay: number;
    }
  /** weightDecay is decoupled (Loshchilov and Hutter 2019, as torch.optim.AdamW). */
  | {
      readonly kind: 'adamW';
      readonly learningRate: number;
      readonly beta1: number;
      readonly beta2: number;
      readonly epsilon: number;
      readonly weightDecay: number;
    };

/** Factor on the learning rate, a function of the step (0-based) alone; `totalSteps` = maxEpochs × steps of an epoch. */
export type LearningRateSchedule =
  | { readonly kind: 'constant' }
  /** factor ^ floor(epoch / everyEpochs), as torch StepLR. */
  | { readonly kind: 'step'; readonly everyEpochs: number; readonly factor: number }
  /** Linear warm-up over `warmupFraction` of all steps, then half a cosine down to `minimumFactor`. */
  | { readonly kind: 'cosine'; readonly warmupFraction: number; readonly minimumFactor: number }
  /** As torch OneCycleLR (cosine, two phases, no momentum cycling): from 1/startDivisor up to 1 at `warmupFraction`, then down to 1/(startDivisor·endDivisor). */
  | {
      readonly kind: 'oneCycle';
      readonly warmupFraction: number;
      readonly startDivisor: number;
      readonly endDivisor: number;
    };

/** Complete training options; part of the key. */
export interface ResolvedTraining {
  readonly optimizer: Optimizer;
  readonly schedule: LearningRateSchedule;
  /** Rows of one optimizer step, over all ranks. */
  readonly batchSize: number;
  readonly maxEpochs: number;
  /** Stops after `patience` epochs without a validation loss lower by `minimumDelta`; null trains all epochs. The best epoch is kept either way. */
  readonly earlyStopping: { readonly patience: number; readonly minimumDelta: number } | null;
  /** Scales the whole gradient to this L2 norm where it is larger (torch clip_grad_norm_), or null. */
  readonly gradientClipNorm: number | null;
  readonly seed: number;
  /** null follows from graph and batch size (design: 64 MFLOP and 8 rows, 32 with batch norm, at most 16, a power of two). */
  readonly gradientShards: number | null;
  readonly deterministic: boolean;
}

/** `statistics.json` of a `statistics` artifact: what fills the slots and sizes of a graph. */
export interface StatisticsDocument {
  readonly formatVersion: 1;
  readonly slots: Readonly<Record<string, SlotValue>>;
  readonly sizes: Readonly<Record<string, number>>;
  readonly rows: { readonly train: number; readonly validation: number; readonly test: number };
  /** Class names in index order; empty for regression. */
  readonly classes: readonly string[];
}

/** int64 values are decimal strings, so that JSON keeps them. Numbers round-trip exactly. */
export type SlotValue =
  | { readonly dtype: 'float64'; readonly shape: readonly number[]; readonly values: readonly number[] }
  | { readonly dtype: 'int64' | 'string'; readonly shape: readonly number[]; readonly values: readonly string[] };

/**
 * `meta` of a `feed` artifact. Its files are safetensors: `<split>-<nnnnn>.safetensors` with the tensors
 * `float` float32 [rows, floats], `index` int32 [rows, indices], `label` and, where used, `weight` float32 [rows].
 * `label` is float32 [rows] (binary), int32 [rows] (multiclass) or float32 [rows, targets] (regression, scaled).
 * A tensor with no columns is left out. Rows are in the dataset's order.
 */
export interface FeedMeta {
  readonly floats: readonly string[];
  readonly indices: readonly string[];
  readonly hasWeight: boolean;
  readonly targets: number;
  readonly splits: Readonly<
    Record<
      'train' | 'validation',
      { readonly rows: number; readonly shards: readonly { readonly path: string; readonly rows: number }[] }
    >
  >;
}

/** `model.json` of a `model` artifact; beside it lie `weights.safetensors` (parameters and buffers by name) and `statistics.json`. */
export interface ModelDocument {
  readonly formatVersion: 1;
  readonly graph: FitGraph;
  readonly training: ResolvedTraining;
  readonly bestEpoch: number;
  readonly epochs: number;
  readonly steps: number;
  readonly validationLoss: number;
  readonly gradientShards: number;
  /** One point an epoch. */
  readonly curve: readonly CurvePoint[];
}

/** Losses of one epoch: the train loss is the mean over the epoch's steps, the validation loss after them. */
export interface CurvePoint {
  readonly epoch: number;
  readonly step: number;
  readonly trainLoss: number;
  readonly validationLoss: number;
  readonly learningRate: number;
}
