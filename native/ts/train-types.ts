import type { Histogram } from '../../pipelines/contracts/events.js';
import type { TensorValue } from '../../pipelines/contracts/infer.js';
import type { FeedMeta, ResolvedTraining, StatisticsDocument } from '../../pipelines/contracts/training.js';
import type { FitGraph } from '../../pipelines/network/graph.js';

export interface TrainRequest {
  readonly fit: FitGraph;
  readonly statistics: StatisticsDocument;
  /** Absolute; holds the feed's shards. */
  readonly feedDirectory: string;
  readonly feed: FeedMeta;
  readonly training: ResolvedTraining;
  /** See resolveGradientShards. */
  readonly gradientShards: number;
  readonly dtype: 'float32' | 'float64';
  /** A safetensors file with all parameters and buffers, or null to initialize from the seed. */
  readonly initialWeights: string | null;
  /** Outlives attempts; a checkpoint found there is gone on from. */
  readonly checkpointDirectory: string;
  /** Where the best weights are written. */
  readonly weightsPath: string;
  readonly threads: number;
  readonly device: 'auto' | 'cpu' | 'cuda';
}

/** What training tells while it runs; epochs are 0-based, `step` counts finished steps, `steps` those of all epochs. */
export type TrainEvent =
  | {
      readonly kind: 'started';
      readonly epoch: number;
      readonly step: number;
      readonly steps: number /** Whether the compiled step runs, else autograd. */;
      readonly compiled: boolean;
      readonly device: 'cpu' | 'cuda';
    }
  | {
      readonly kind: 'progress';
      readonly epoch: number;
      readonly step: number;
      readonly steps: number /** Of this epoch so far. */;
      readonly trainLoss: number;
      readonly learningRate: number;
      readonly rowsPerSecond: number;
    }
  | {
      readonly kind: 'epoch';
      readonly epoch: number;
      readonly step: number;
      readonly steps: number;
      readonly trainLoss: number;
      readonly validationLoss: number;
      readonly learningRate: number;
      readonly best: boolean;
      /** By parameter; the gradient is that of the epoch's last step. */
      readonly weights: Readonly<Record<string, Histogram>>;
      readonly gradients: Readonly<Record<string, Histogram>>;
    }
  /** An epoch that an earlier attempt finished: told after 'started', so that no kill takes it from the curve. */
  | {
      readonly kind: 'restored';
      readonly epoch: number;
      readonly step: number;
      readonly trainLoss: number;
      readonly validationLoss: number;
      readonly learningRate: number;
    }
  | { readonly kind: 'checkpoint'; readonly epoch: number; readonly step: number }
  /** A checkpoint was there but is damaged or of another training: training began again. */
  | { readonly kind: 'checkpointUnusable'; readonly reason: string };

export interface TrainResult {
  readonly bestEpoch: number;
  readonly epochs: number;
  readonly steps: number;
  /** Of the best epoch. */
  readonly validationLoss: number;
  /** Of the best epoch. */
  readonly trainLoss: number;
  readonly device: 'cpu' | 'cuda';
  readonly durationMs: number;
  readonly rowsPerSecond: number;
}

export interface ScoreRequest {
  readonly fit: FitGraph;
  readonly statistics: StatisticsDocument;
  readonly weightsPath: string;
  readonly feedDirectory: string;
  /** Files below `feedDirectory`, in order. */
  readonly shards: readonly string[];
  /** At most so many rows, the first ones; null: all. */
  readonly rows: number | null;
  /** Names of the graph's outputs. */
  readonly outputs: readonly string[];
  readonly threads: number;
  readonly dtype: 'float32' | 'float64';
}

export type ScoreResult = Readonly<Record<string, TensorValue>>;

/** Messages between the parent and native/ts/rank-main. */
export type ParentMessage =
  | { readonly kind: 'train'; readonly request: TrainRequest }
  | { readonly kind: 'score'; readonly request: ScoreRequest }
  | { readonly kind: 'cancel' };

export type ChildMessage =
  | { readonly kind: 'event'; readonly event: TrainEvent }
  | { readonly kind: 'trained'; readonly result: TrainResult }
  | { readonly kind: 'scored'; readonly result: ScoreResult }
  | { readonly kind: 'error'; readonly error: import('../../pipelines/contracts/errors.js').SerializedError };
