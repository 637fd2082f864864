import type { StageRecord } from '../../pipelines/contracts/metadata.js';
import type { CodeDigests, Placement, Progress } from '../../pipelines/contracts/operator.js';

/** What a stage tells while it runs. */
export type StageEvent =
  | { readonly kind: 'stageStarted'; readonly stage: string; readonly operator: string; readonly attempt: number }
  | { readonly kind: 'stageProgress'; readonly stage: string; readonly progress: Progress }
  | { readonly kind: 'stageLog'; readonly stage: string; readonly message: string }
  | { readonly kind: 'stageRetry'; readonly stage: string; readonly message: string; readonly delayMs: number }
  | { readonly kind: 'stageFinished'; readonly record: StageRecord };

/** What a run tells while it goes on, nested runs too: each event says whose it is. */
export type RunEvent = { readonly run: string } & (
  | {
      readonly kind: 'run';
      readonly pipeline: string;
      readonly stages: readonly { readonly id: string; readonly operator: string }[];
      /** The stage that spawned it, and its number there; null for a run that stands by itself. */
      readonly parent: { readonly run: string; readonly stage: string; readonly index: number } | null;
    }
  | StageEvent
);

export interface StageOptions {
  readonly run: string;
  readonly pipeline: string;
  readonly root: string;
  readonly code: CodeDigests;
  readonly placement: Placement;
  /** false computes every pure stage again. */
  readonly useCache: boolean;
  /** Stages that are computed again though they are cached: this one and all behind it. */
  readonly from: string | null;
  readonly signal: AbortSignal;
  /** Never throws. */
  readonly onEvent: (event: RunEvent) => void;
}
