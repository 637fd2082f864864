import type { SerializedError } from './errors.js';
import type { Json } from './json.js';
import type { Registry } from './registry.js';

export type RunStatus = 'running' | 'succeeded' | 'blocked' | 'failed' | 'cancelled' | 'waiting';
export type StageStatus =
  | 'succeeded'
  | 'cached'
  | 'fused'
  | 'unchanged'
  | 'blocked'
  | 'failed'
  | 'cancelled'
  | 'skipped';

export interface RunRecord {
  /** UUIDv7. */
  readonly id: string;
  readonly pipeline: string;
  readonly status: RunStatus;
  /** Digest of the plan artifact. */
  readonly plan: string;
  /** Digest of the bundle artifact, or null for a pipeline made in a program. */
  readonly bundle: string | null;
  readonly params: Json;
  /** The directory that source paths resolve from. */
  readonly root: string;
  /** The run that this one is nested in, or null. */
  readonly parent: { readonly run: string; readonly stage: string } | null;
  readonly sequence: number;
  readonly createdAt: string;
  readonly finishedAt: string | null;
  readonly error: SerializedError | null;
  readonly options: Json;
}

export interface StageOutput {
  readonly name: string;
  readonly digest: string;
}

/** Why a stage was computed or not: parts of the key that differ from the newest earlier key of this stage. */
export interface KeyReason {
  readonly hit: boolean;
  readonly changed: readonly { readonly part: string; readonly before: string | null; readonly after: string | null }[];
  readonly note: string | null;
}

/** The journal's line for one stage of one run. */
export interface StageRecord {
  readonly run: string;
  readonly stage: string;
  readonly operator: string;
  readonly status: StageStatus;
  readonly attempt: number;
  readonly key: string | null;
  /** The key's parts, by name: digests and short texts. */
  readonly keyParts: Readonly<Record<string, string>>;
  readonly reason: KeyReason | null;
  readonly outputs: readonly StageOutput[];
  /** What the next stages and people want to know without opening artifacts: rows, metrics; at most 64 KiB. */
  readonly summary: Json;
  readonly startedAt: string;
  readonly durationMs: number;
  readonly error: SerializedError | null;
}

export interface LeaseOwner {
  readonly bootId: string;
  readonly pid: number;
  /** Start time of the process in clock ticks since boot: pid and this name a process for good. */
  readonly processStart: string;
}

export interface Lease extends AsyncDisposable {
  readonly key: string;
  /** Still ours? Renewed in the background; false after it was lost. */
  readonly isHeld: boolean;
  /** Aborted when it is lost to another owner, or its time has passed without a renewal; not by `release`. */
  readonly signal: AbortSignal;
  release(): Promise<void>;
}

export interface MetricPoint {
  readonly stage: string;
  readonly name: string;
  readonly value: number;
}

/**
 * What happened, in a namespace. Several processes may have it open at once.
 * Every write is durable when its promise resolves.
 */
export interface MetadataStore extends AsyncDisposable {
  readonly namespace: string;
  createRun(run: Omit<RunRecord, 'sequence' | 'createdAt' | 'finishedAt' | 'status' | 'error'>): Promise<RunRecord>;
  setRunStatus(run: string, status: RunStatus, error: SerializedError | null): Promise<void>;
  /** By id or unique prefix of an id. @throws RUN_NOT_FOUND */
  run(idOrPrefix: string): Promise<RunRecord>;
  /** Newest first. */
  runs(filter: {
    readonly pipeline?: string;
    readonly parent?: string;
    readonly limit: number;
  }): Promise<readonly RunRecord[]>;

  /** Inserts or replaces the line of (run, stage) where `attempt` is not older than the one kept. */
  putStage(record: StageRecord): Promise<void>;
  stages(run: string): Promise<readonly StageRecord[]>;
  /** One line of the journal, or null. */
  stage(run: string, stage: string): Promise<StageRecord | null>;
  /** The newest line of this stage id in earlier runs of the pipeline that has a key. */
  lastStage(pipeline: string, stage: string, beforeRun: string): Promise<StageRecord | null>;

  /** Outputs under a key, or null. */
  cached(key: string): Promise<{ readonly outputs: readonly StageOutput[]; readonly summary: Json } | null>;
  /** Insert-once. Where the key has other outputs already (`differs`), these are returned and the difference is recorded. */
  insertCached(
    key: string,
    outputs: readonly StageOutput[],
    summary: Json,
  ): Promise<{
    readonly outputs: readonly StageOutput[];
    readonly summary: Json;
    readonly inserted: boolean;
    readonly differs: boolean;
  }>;
  /** Forgets a key whose artifact is gone or torn. */
  dropCached(key: string): Promise<void>;

  /** A memo that may be lost: file digests by state, bundles by sources. */
  memo(scope: string, key: string): Promise<Json | null>;
  putMemo(scope: string, key: string, value: Json): Promise<void>;

  putMetrics(run: string, points: readonly MetricPoint[]): Promise<void>;
  metrics(run: string): Promise<readonly MetricPoint[]>;

  /** null where a live owner holds it. A dead local owner loses its lease at once. */
  acquireLease(key: string, ttlMs: number): Promise<Lease | null>;
  /** Whether someone alive holds it. */
  leaseHolder(key: string): Promise<LeaseOwner | null>;
  /** Removes the leases of dead local owners that nobody took over. Takes no write lock where there are none. */
  sweepLeases(): Promise<number>;

  readonly registry: Registry;
}
