import type { Column } from '../types/column-type.js';
import type { Json } from './json.js';

export type ArtifactKind =
  | 'bundle'
  | 'plan'
  | 'dataset'
  | 'statistics'
  | 'feed'
  | 'model'
  | 'onnx'
  | 'report'
  | 'verdict'
  | 'value';

export interface ArtifactFile {
  /** Relative, '/'-separated, without '.' and '..'. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** What names an artifact: the sha256 of this manifest's canonical JSON is the artifact's digest. */
export interface ArtifactManifest {
  readonly formatVersion: 1;
  readonly kind: ArtifactKind;
  /** Sorted by path. */
  readonly files: readonly ArtifactFile[];
  /** What the kind says about itself (see {@link DatasetMeta}); no clocks, no run ids, no absolute paths. */
  readonly meta: Json;
}

/** A finished, immutable artifact, readable under `directory`. */
export interface Artifact {
  readonly digest: string;
  readonly manifest: ArtifactManifest;
  /** Absolute; holds the manifest's files. Never written to. */
  readonly directory: string;
}

/** An artifact being written. Files go under `directory`; `commit` hashes, fsyncs and publishes them, all or none. */
export interface ArtifactWriter {
  readonly kind: ArtifactKind;
  readonly directory: string;
  /** Begins to bring a finished file to the disk, which the commit waits for: a large one gets there while it is hashed. */
  flush(path: string): void;
  /**
   * @param known - digests that the writer computed while writing, by path: those files are not read again.
   * @throws DISK_FULL - retryable; nothing becomes visible.
   */
  commit(meta: Json, known?: ReadonlyMap<string, { bytes: number; sha256: string }>): Promise<Artifact>;
  discard(): Promise<void>;
}

export interface ArtifactStore {
  create(kind: ArtifactKind): Promise<ArtifactWriter>;
  /**
   * Checks manifest and file sizes.
   * @throws ARTIFACT_MISSING, ARTIFACT_CORRUPT
   */
  open(digest: string): Promise<Artifact>;
  /** Whether `open` would succeed. */
  isWhole(digest: string): Promise<boolean>;
  /** Rehashes every file. */
  verify(digest: string): Promise<void>;
  list(): AsyncIterable<string>;
  /** Removes what dead writers left. */
  sweep(): Promise<number>;
}

/** A column of a written dataset. */
export interface DatasetColumn extends Column {
  /** sha256 over the column's chunks in the Parquet files, in order. */
  readonly digest: string;
  readonly nulls: number;
  /** As text, null where the column is all null or has no order. */
  readonly minimum: string | null;
  readonly maximum: string | null;
}

/** `meta` of a `dataset` artifact. Rows are in the order of `key`, else of all columns. */
export interface DatasetMeta {
  readonly rows: number;
  readonly columns: readonly DatasetColumn[];
  /** Columns that are proven unique together; empty where none was declared. */
  readonly key: readonly string[];
  /** Parquet files in order. */
  readonly partitions: readonly { readonly path: string; readonly rows: number }[];
}
