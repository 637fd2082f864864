import type { z } from 'zod';
import type { Spawn, WaitFor } from '../drive/drive-plan.js';
import type { Column } from '../types/column-type.js';
import type { Artifact, ArtifactKind, ArtifactStore } from './artifacts.js';
import type { OpenEventLog } from './events.js';
import type { InferenceEngine } from './infer.js';
import type { Json } from './json.js';
import type { RunStatus, StageOutput, StageStatus } from './metadata.js';
import type { Registry } from './registry.js';
import type { SqlEngine } from './sql.js';

/** Pure: cached by key. Reads: what it first read joins the key. Acts: an effect under an idempotency key. */
export type OperatorClass = 'pure' | 'reads' | 'acts';

/** What one input of a stage is at run time: the outputs of the stage it comes from. */
export interface StageInput {
  readonly stage: string;
  readonly operator: string;
  /** By output name; the artifact is opened and whole. */
  readonly artifacts: Readonly<Record<string, Artifact>>;
  readonly summary: Json;
}

/** Where the run reads its sources, and how much of the machine a stage may take. Never part of a key. */
export interface Placement {
  readonly threads: number;
  readonly memoryLimitMb: number;
  readonly device: 'auto' | 'cpu' | 'cuda';
}

export interface Progress {
  /** 0..1, or null where unknown. */
  readonly fraction: number | null;
  /** "epoch 3/8 · loss 0.31 · 512k rows/s" */
  readonly message: string;
  readonly etaMs?: number | null;
}

/** What results depend on: `native` is Millrace's own native code, `libtorch` that code on a device. */
export type EngineName = 'duckdb' | 'libtorch' | 'native' | 'onnxruntime';

/** A TypeScript function of the user's, run in a child process. */
export interface CustomRunner {
  /** @throws CUSTOM_THROWS, DATA_TYPE, CANCELLED */
  run(request: {
    /** The stage, for errors. */
    readonly path: string;
    /** Digest of the export's own bundle (an artifact). */
    readonly bundle: string;
    readonly inputs: Readonly<Record<string, Artifact>>;
    /** What it must return. */
    readonly columns: readonly Column[];
    readonly options: Json;
    /** The directory that external packages resolve from. */
    readonly root: string;
    /** A directory for the child's Parquet file. */
    readonly output: string;
    /** What the stage may take: bounds the child's DuckDB. */
    readonly placement: Placement;
    readonly signal: AbortSignal;
  }): Promise<{ readonly rows: number; readonly file: string }>;
}

/** How a spawned run ended, and what its stages left. */
export interface ChildRun {
  readonly run: string;
  readonly status: RunStatus;
  readonly outputs: Readonly<Record<string, readonly StageOutput[]>>;
}

/** What code a run runs. */
export interface CodeDigests {
  /** Digest of the pipeline's bundle, or null for a pipeline made in a program. */
  readonly bundle: string | null;
  /** Digests of the plan's operators, by name. */
  readonly operators: Readonly<Record<string, string>>;
}

/** What an operator may touch. Everything outside the process comes through here. */
export interface OperatorContext {
  readonly run: string;
  readonly stage: string;
  readonly attempt: number;
  /** The directory that the plan's relative source paths resolve from. */
  readonly root: string;
  /** For lineage; keys hold their own. */
  readonly code: CodeDigests;
  readonly placement: Placement;
  readonly artifacts: ArtifactStore;
  readonly sql: SqlEngine;
  readonly infer: InferenceEngine;
  readonly registry: Registry;
  readonly custom: CustomRunner;
  readonly events: OpenEventLog;
  /** A directory for event files, HTML and logs of this stage: records, outside the claim of equal bytes. */
  readonly records: string;
  /** A directory for this stage alone. Where the operator `resumes`, it outlives the attempts of its key until one succeeds. */
  readonly scratch: string;
  readonly signal: AbortSignal;
  /** The runs that this stage spawned, by index, once they are settled; empty before. */
  readonly children: readonly ChildRun[];
  /** As in {@link KeyContext}: what the key saw is what `run` sees again. */
  sources(pattern: string, path: string): Promise<readonly SourceFile[]>;
  progress(progress: Progress): void;
  log(message: string): void;
}

/** A digest of a source file's content, through the store's memo. */
export interface SourceFile {
  /** Absolute. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** What a key is made from while a run plans a stage. */
export interface KeyContext {
  readonly root: string;
  readonly sql: SqlEngine;
  readonly infer: InferenceEngine;
  readonly registry: Registry;
  /** Expands a glob below root and hashes what it finds, memoised. @throws SOURCE_NOT_FOUND, SOURCE_EMPTY */
  sources(pattern: string, path: string): Promise<readonly SourceFile[]>;
}

export interface OperatorResult {
  readonly status?: Extract<StageStatus, 'succeeded' | 'unchanged' | 'blocked'>;
  readonly outputs: readonly StageOutput[];
  /** At most 64 KiB. */
  readonly summary: Json;
  /** Points for the metadata store and `run --json`. */
  readonly metrics?: Readonly<Record<string, number>>;
  /** Child plans to run before `run` is called again with what they gave. */
  readonly spawn?: Spawn;
  /** What to wait for before `run` is called again. */
  readonly waitFor?: WaitFor;
}

export interface OperatorStage<O> {
  readonly options: O;
  /** By input name; several of one kind are `name.0`, `name.1`, … */
  readonly inputs: Readonly<Record<string, StageInput>>;
}

/**
 * What a stage runs. `O` is the resolved options, already checked by `options`.
 * An operator imports connectors never; the context hands them in.
 */
export interface Operator<O = unknown> {
  readonly name: string;
  readonly class: OperatorClass;
  readonly options: z.ZodType<O>;
  readonly outputs: Readonly<Record<string, ArtifactKind>>;
  /** 'sql' and 'train' have a bounded number of slots; 'light' is not. */
  readonly weight: 'light' | 'sql' | 'train';
  /** Versions of engines whose results it holds: parts of the key. */
  readonly engines: readonly EngineName[];
  /** true for a pure operator that goes on from what it finds in its scratch folder, which then outlives a failure or a kill. */
  readonly resumes?: boolean;
  /** The device that computes its results, where that is not the CPU in any case: a part of the key in place of `options.device`. */
  device?(options: O): Placement['device'];
  /** false where `keyParts` says itself how the options count, as SQL without its layout. Default true. */
  readonly optionsInKey?: boolean;
  /**
   * Further parts of the key, by name. Default: the digest of every input artifact.
   * An operator that reads some columns alone names these here instead, and one that reads the world what it saw.
   */
  keyParts?(context: KeyContext, stage: OperatorStage<O>): Promise<Readonly<Record<string, string>>>;
  run(context: OperatorContext, stage: OperatorStage<O>): Promise<OperatorResult>;
}

/** Typed once at the definition; stored with its option type erased. */
export function defineOperator<O>(operator: Operator<O>): Operator {
  return operator as unknown as Operator;
}
