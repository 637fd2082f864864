import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openDiskArtifactStore } from '../connectors/artifact-store/disk-artifact-store.js';
import { describeDiskError } from '../connectors/artifact-store/disk-errors.js';
import { openLazySqlEngine } from '../connectors/duckdb/lazy-sql-engine.js';
import { hashSources } from '../connectors/files/hash-sources.js';
import { openSqliteMetadataStore } from '../connectors/metadata-store/sqlite-metadata-store.js';
import { openInferenceEngine } from '../connectors/onnxruntime/inference-engine.js';
import type { ArtifactStore } from '../pipelines/contracts/artifacts.js';
import type { OpenEventLog } from '../pipelines/contracts/events.js';
import type { InferenceEngine } from '../pipelines/contracts/infer.js';
import type { MetadataStore } from '../pipelines/contracts/metadata.js';
import type { CustomRunner, KeyContext, Operator, SourceFile } from '../pipelines/contracts/operator.js';
import type { SqlEngine } from '../pipelines/contracts/sql.js';
import { createCustomRunner } from './children/custom-runner.js';
import { engineVersions } from './engine-versions.js';
import { memoizedSqlEngine } from './memoized-sql-engine.js';
import { operatorDigest } from './operator-digests.js';
import { operators } from './operators.js';
import { sweepScratch } from './stages/scratch-folders.js';
import type { KeyEnvironment } from './stages/stage-key.js';

/** Everything outside the process that stages, the CLI and the server use, opened on one store directory. */
export interface Services extends AsyncDisposable {
  /** The store's directory, absolute. */
  readonly directory: string;
  readonly artifacts: ArtifactStore;
  readonly metadata: MetadataStore;
  readonly sql: SqlEngine;
  readonly infer: InferenceEngine;
  readonly custom: CustomRunner;
  /** Every operator by the name that plans use. */
  readonly operators: Readonly<Record<string, Operator>>;
  readonly events: OpenEventLog;
  readonly keyEnvironment: Omit<KeyEnvironment, 'context' | 'deviceClass'>;
  /** Cancelled by the signal, as all that it hands out. */
  keyContext(root: string, signal: AbortSignal): KeyContext;
  /** @throws CANCELLED and what {@link KeyContext.sources} throws. */
  sources(root: string, pattern: string, path: string, signal: AbortSignal): Promise<readonly SourceFile[]>;
}

/** @throws STORE_UNREADABLE, DISK_FULL */
function makeStoreDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true });
  } catch (error) {
    throw describeDiskError(error, directory);
  }
}

export interface ServicesOptions {
  /** Absolute directory of the store; made where it does not exist. */
  readonly directory: string;
  /** `s3://bucket/prefix`: artifacts lie there, and the directory holds a cache of them. Default: in the directory. */
  readonly artifactsUrl?: string;
  /** Address of an S3 server that is not Amazon's. */
  readonly artifactsEndpoint?: string;
  /** Default: AWS_REGION or the profile's; us-east-1 where an endpoint is given. */
  readonly artifactsRegion?: string;
  readonly threads: number;
  readonly memoryLimitMb: number;
  /** `postgres://…` of the metadata that a team shares. Default: a SQLite file in the directory. */
  readonly metadataUrl?: string;
}

/** PostgreSQL's driver is loaded only where it is used. */
async function openMetadata({ directory, metadataUrl }: ServicesOptions): Promise<MetadataStore> {
  const namespace = 'default';
  if (metadataUrl === undefined) {
    return await openSqliteMetadataStore({ file: join(directory, 'metadata.sqlite'), namespace });
  }
  const { openPostgresMetadataStore } = await import('../connectors/metadata-store/postgres-metadata-store.js');
  return await openPostgresMetadataStore({ url: metadataUrl, namespace });
}

/** The SDK is loaded only where it is used. */
async function openArtifacts(options: ServicesOptions): Promise<ArtifactStore> {
  const { directory, artifactsUrl: url, artifactsEndpoint: endpoint, artifactsRegion: region } = options;
  if (url === undefined) return await openDiskArtifactStore(directory);
  const { openS3ArtifactStore } = await import('../connectors/artifact-store/s3-artifact-store.js');
  return await openS3ArtifactStore({
    url,
    cacheDirectory: join(directory, 'artifact-cache'),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
  });
}

/**
 * Opens a store and the engines. What dead processes left in it is swept.
 *
 * @throws STORE_VERSION, STORE_UNREADABLE, STORE_LOCKED, DISK_FULL, SERVER_UNREACHABLE; CONFIG_INVALID - a URL.
 */
export async function openServices(options: ServicesOptions): Promise<Services> {
  const { directory } = options;
  makeStoreDirectory(directory);
  const metadata = await openMetadata(options);
  let artifacts: ArtifactStore;
  try {
    artifacts = await openArtifacts(options);
    await Promise.all([artifacts.sweep(), sweepScratch(directory, metadata), metadata.sweepLeases()]);
  } catch (error) {
    await metadata[Symbol.asyncDispose]();
    throw error;
  }
  const sql = memoizedSqlEngine(
    openLazySqlEngine({
      threads: options.threads,
      memoryLimitMb: options.memoryLimitMb,
      temporaryDirectory: join(directory, 'tmp'),
    }),
    metadata,
  );
  const infer = openInferenceEngine();
  const sources: Services['sources'] = (root, pattern, path, signal) =>
    hashSources(
      { get: (key) => metadata.memo('source', key), put: (key, value) => metadata.putMemo('source', key, value) },
      root,
      pattern,
      path,
      signal,
    );
  return {
    directory,
    artifacts,
    metadata,
    sql,
    infer,
    operators,
    custom: createCustomRunner(artifacts),
    events: async (path) => (await import('../connectors/tensorboard/event-log.js')).openEventLog(path),
    keyEnvironment: {
      operatorDigest,
      engineVersions: engineVersions(sql, infer),
    },
    keyContext: (root, signal) => ({
      root,
      sql,
      infer,
      registry: metadata.registry,
      sources: (pattern, path) => sources(root, pattern, path, signal),
    }),
    sources,
    async [Symbol.asyncDispose]() {
      await metadata[Symbol.asyncDispose]();
    },
  };
}
