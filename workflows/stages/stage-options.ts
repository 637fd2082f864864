import type { StageRecord } from '../../pipelines/contracts/metadata.js';
import type { Placement, Progress } from '../../pipelines/contracts/operator.js';

/** What a run tells while it goes on. */
export type RunEvent =
  | {
      readonly kind: 'run';
      readonly run: string;
      readonly pipeline: string;
      readonly stages: readonly { readonly id: string; readonly operator: string }[];
    }
  | { readonly kind: 'stageStarted'; readonly stage: string; readonly operator: string; readonly attempt: number }
  | { readonly kind: 'stageProgress'; readonly stage: string; readonly progress: Progress }
  | { readonly kind: 'stageLog'; readonly stage: string; readonly message: string }
  | { readonly kind: 'stageRetry'; readonly stage: string; readonly message: string; readonly delayMs: number }
  | { readonly kind: 'stageFinished'; readonly record: StageRecord };

export interface StageOptions {
  readonly run: string;
  readonly pipeline: string;
  readonly root: string;
  readonly placement: Placement;
  /** false computes every pure stage again. */
  readonly useCache: boolean;
  /** Stages that are computed again though they are cached: this one and all behind it. */
  readonly from: string | null;
  readonly signal: AbortSignal;
  /** Never throws. */
  readonly onEvent: (event: RunEvent) => void;
}
