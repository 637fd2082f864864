// What crosses Temporal: digests, ids and small numbers. Imported by the workflow: no Node built-ins here.
import type { RunRecord, RunStatus, StageStatus } from '../../pipelines/contracts/metadata.js';
import type { Progress } from '../../pipelines/contracts/operator.js';
import type { Spawn, StageOutcome } from '../../pipelines/drive/drive-plan.js';

/** Largest payload of an activity, a signal or an update, in bytes of JSON. Anything larger belongs into an artifact. */
export const maxPayloadBytes = 64 * 1024;

/** A stage as the workflow holds it. `needs` are positions in the plan, so that a page of many stays small. */
export interface PagedStage {
  readonly id: string;
  readonly needs: readonly number[];
  readonly fused: boolean;
  /** How it has ended already, or null: stages that ended are not driven again. */
  readonly ended: StageStatus | null;
}

export interface StagePage {
  readonly stages: readonly PagedStage[];
  /** Where the next page begins, or null after the last one. */
  readonly next: number | null;
}

/**
 * Which ends of the journal stand: `good` for a run that is started or resumed (what failed is tried again),
 * `all` for one that goes on in a new history.
 */
export type KeptEnds = 'good' | 'all';

export interface RunActivities {
  /** Marks the run as running and answers with the first page of its stages, or any later one. */
  openRun(request: { readonly run: string; readonly offset: number; readonly keep: KeptEnds }): Promise<StagePage>;
  /** Runs one stage. A stage that fails is an outcome; what is thrown is the worker's own trouble and is tried again. */
  runStage(request: {
    readonly run: string;
    readonly stage: string;
    /** The child plans that it spawned last, all settled; null before. */
    readonly spawned: Spawn | null;
  }): Promise<StageOutcome>;
  /** Notes stages that never run, in one transaction a stage. */
  settleStages(request: {
    readonly run: string;
    readonly stages: readonly { readonly id: string; readonly status: StageStatus }[];
  }): Promise<void>;
  /** Notes a stage that no worker could bring to an end. */
  failStage(request: { readonly run: string; readonly stage: string; readonly reason: string }): Promise<void>;
  /** Makes, or finds again, the run of child plan number `index` of a stage. */
  openChild(request: {
    readonly run: string;
    readonly stage: string;
    readonly spawn: Spawn;
    readonly index: number;
  }): Promise<{ readonly run: string; readonly status: RunStatus }>;
  setRunStatus(request: {
    readonly run: string;
    readonly status: RunStatus;
    /** Why the host itself could not go on, or null. */
    readonly reason: string | null;
  }): Promise<void>;
}

export interface DriveRunInput {
  readonly run: string;
  /** Of the metadata store. */
  readonly namespace: string;
  readonly keep: KeptEnds;
  /** Decisions that have been made, by name. */
  readonly decided: readonly string[];
}

/** What a running stage tells by its heartbeat. */
export interface StageHeartbeat {
  readonly operator: string;
  readonly progress: Progress | null;
}

export const workflowType = 'driveRun';
export const decisionSignal = 'decided';

/** One workflow a run, so that a run is driven once. */
export function workflowIdOf(namespace: string, run: string): string {
  return `run/${namespace}/${run}`;
}

/** Whether a Temporal server drives this run, or drove it. */
export function isOnTemporal(run: RunRecord): boolean {
  return (run.options as { readonly host?: string }).host === 'temporal';
}
