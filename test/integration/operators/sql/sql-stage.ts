import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDiskArtifactStore } from '../../../../connectors/artifact-store/disk-artifact-store.js';
import { openSqlEngine } from '../../../../connectors/duckdb/sql-engine.js';
import { hashSources } from '../../../../connectors/files/hash-sources.js';
import { sqlOperator } from '../../../../operators/sql/sql-operator.js';
import type { SqlOptions } from '../../../../operators/sql/sql-options.js';
import type { Artifact, ArtifactStore, DatasetMeta } from '../../../../pipelines/contracts/artifacts.js';
import type {
  KeyContext,
  OperatorContext,
  OperatorResult,
  StageInput,
} from '../../../../pipelines/contracts/operator.js';
import { quoteLiteral, type SqlEngine, type SqlRow } from '../../../../pipelines/contracts/sql.js';
import type { Column, ColumnType } from '../../../../pipelines/types/column-type.js';

/** A real store and engine in a folder of their own, and stages run in them. */
export interface SqlBench extends AsyncDisposable {
  readonly root: string;
  readonly artifacts: ArtifactStore;
  readonly sql: SqlEngine;
  run(options: Partial<SqlOptions> & Pick<SqlOptions, 'relation'>, more?: RunMore): Promise<WrittenDataset>;
  keyParts(
    options: Partial<SqlOptions> & Pick<SqlOptions, 'relation'>,
    inputs?: Record<string, Artifact>,
  ): Promise<Readonly<Record<string, string>>>;
  rows(artifact: Artifact, select?: string): Promise<readonly SqlRow[]>;
}

export interface RunMore {
  readonly inputs?: Record<string, Artifact>;
  readonly threads?: number;
  readonly memoryLimitMb?: number;
  readonly signal?: AbortSignal;
}

export interface WrittenDataset {
  readonly artifact: Artifact;
  readonly meta: DatasetMeta;
  readonly result: OperatorResult;
}

export async function openSqlBench(): Promise<SqlBench> {
  const root = await mkdtemp(join(tmpdir(), 'millrace-sql-'));
  const artifacts = await openDiskArtifactStore(join(root, 'store'));
  const sql = openSqlEngine({ threads: 2, memoryLimitMb: 1024, temporaryDirectory: join(root, 'tmp') });
  await mkdir(join(root, 'records'));
  const sources = (pattern: string, path: string): Promise<Awaited<ReturnType<typeof hashSources>>> =>
    hashSources({ get: async () => null, put: async () => {} }, root, pattern, path);
  const inputsOf = (inputs: Record<string, Artifact> = {}): Record<string, StageInput> =>
    Object.fromEntries(
      Object.entries(inputs).map(([name, artifact]) => [
        name,
        { stage: name, operator: 'sql', artifacts: { dataset: artifact }, summary: {} },
      ]),
    );
  const resolved = (options: Partial<SqlOptions> & Pick<SqlOptions, 'relation'>): SqlOptions => ({
    columns: null,
    key: [],
    ...options,
  });
  return {
    root,
    artifacts,
    sql,
    async run(options, more = {}) {
      const context = {
        run: 'run',
        stage: 'rows',
        attempt: 1,
        root,
        placement: { threads: more.threads ?? 2, memoryLimitMb: more.memoryLimitMb ?? 1024, device: 'cpu' },
        artifacts,
        sql,
        records: join(root, 'records'),
        scratch: root,
        signal: more.signal ?? new AbortController().signal,
        sources,
        progress: () => {},
        log: () => {},
      } as unknown as OperatorContext;
      const result = await sqlOperator.run(context, { options: resolved(options), inputs: inputsOf(more.inputs) });
      const artifact = await artifacts.open(result.outputs[0]?.digest ?? '');
      return { artifact, meta: artifact.manifest.meta as unknown as DatasetMeta, result };
    },
    async keyParts(options, inputs) {
      const context = { root, sql, sources } as unknown as KeyContext;
      return (await sqlOperator.keyParts?.(context, { options: resolved(options), inputs: inputsOf(inputs) })) ?? {};
    },
    async rows(artifact, select = 'SELECT *') {
      await using session = await sql.open({ readable: [artifact.directory], writable: [] });
      return (
        await session.query(
          `${select} FROM read_parquet(${quoteLiteral(join(artifact.directory, 'part-00000.parquet'))})`,
        )
      ).rows;
    },
    async [Symbol.asyncDispose]() {
      await rm(root, { recursive: true, force: true });
    },
  };
}

export function column(
  name: string,
  kind: Exclude<ColumnType['kind'], 'decimal' | 'list' | 'tensor' | 'struct'>,
  nullable = false,
): Column {
  return { name, type: { kind, nullable } };
}

/** The error that a promise ends with. */
export async function errorOf(promise: Promise<unknown>): Promise<{ code: string; message: string }> {
  try {
    await promise;
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return { code, message };
  }
  throw new Error('expected an error, and there was none');
}
