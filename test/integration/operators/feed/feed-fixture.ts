// A store, an SQL engine and written datasets for tests of the data's way: all of them real.

import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDiskArtifactStore } from '../../../../connectors/artifact-store/disk-artifact-store.js';
import { openSqlEngine } from '../../../../connectors/duckdb/sql-engine.js';
import type { Artifact, ArtifactStore, DatasetMeta } from '../../../../pipelines/contracts/artifacts.js';
import type { Operator, OperatorContext, StageInput } from '../../../../pipelines/contracts/operator.js';
import { quoteIdentifier, type SqlEngine } from '../../../../pipelines/contracts/sql.js';
import type { Column } from '../../../../pipelines/types/column-type.js';

export interface Fixture extends AsyncDisposable {
  readonly directory: string;
  readonly artifacts: ArtifactStore;
  readonly sql: SqlEngine;
  /**
   * Writes a SELECT as a dataset artifact; several SELECTs are its partitions. Rows keep the SELECT's order.
   * Columns are nullable, but for those of `required`.
   */
  dataset(
    selects: string | readonly string[],
    options?: { readonly key?: readonly string[]; readonly required?: readonly string[] },
  ): Promise<Artifact>;
  context(overrides?: { readonly threads?: number; readonly signal?: AbortSignal }): OperatorContext;
  /** Runs an operator on artifacts by input name. */
  run(
    operator: Operator,
    options: unknown,
    inputs: Readonly<Record<string, Artifact>>,
    context?: OperatorContext,
  ): Promise<Artifact>;
}

export async function openFixture(): Promise<Fixture> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-feed-'));
  const artifacts = await openDiskArtifactStore(join(directory, 'store'));
  const sql = openSqlEngine({ threads: 2, memoryLimitMb: 1024, temporaryDirectory: join(directory, 'spill') });
  const fixture: Fixture = {
    directory,
    artifacts,
    sql,
    async dataset(selects, { key = [], required = [] } = {}) {
      const all = typeof selects === 'string' ? [selects] : selects;
      const writer = await artifacts.create('dataset');
      await using session = await sql.open({ readable: [writer.directory], writable: [writer.directory] });
      const partitions: { path: string; rows: number }[] = [];
      for (const [index, select] of all.entries()) {
        const path = `part-${index}.parquet`;
        const { rows } = await session.writeParquet(select, join(writer.directory, path));
        partitions.push({ path, rows });
      }
      const described = (await session.describe(all[0]!)).map(
        ({ name, type }): Column => ({ name, type: { ...type, nullable: type.nullable && !required.includes(name) } }),
      );
      const files = `read_parquet([${partitions.map(({ path }) => `'${join(writer.directory, path)}'`).join(', ')}], file_row_number = true)`;
      const digests = await Promise.all(
        described.map(async ({ name }) => {
          const { rows } = await session.query(
            `SELECT CAST(coalesce(bit_xor(hash(${quoteIdentifier(name)}, file_row_number)), 0) AS VARCHAR) AS text FROM ${files}`,
          );
          return createHash('sha256').update(String(rows[0]!['text'])).digest('hex');
        }),
      );
      const meta: DatasetMeta = {
        rows: partitions.reduce((sum, partition) => sum + partition.rows, 0),
        columns: described.map((column, index) => ({
          ...column,
          digest: digests[index]!,
          nulls: 0,
          minimum: null,
          maximum: null,
        })),
        key,
        partitions,
      };
      return writer.commit(JSON.parse(JSON.stringify(meta)));
    },
    context({ threads = 2, signal = new AbortController().signal } = {}) {
      return {
        run: 'run',
        stage: 'stage',
        attempt: 1,
        root: directory,
        placement: { threads, memoryLimitMb: 1024, device: 'cpu' },
        artifacts,
        sql,
        records: directory,
        scratch: directory,
        signal,
        children: [],
        progress: () => {},
        log: () => {},
      } as unknown as OperatorContext;
    },
    async run(operator, options, inputs, context = fixture.context()) {
      const stages = Object.fromEntries(
        Object.entries(inputs).map(([name, artifact]): [string, StageInput] => [
          name,
          { stage: name, operator: name, artifacts: { [artifact.manifest.kind]: artifact }, summary: null },
        ]),
      );
      const { outputs } = await operator.run(context, { options: operator.options.parse(options), inputs: stages });
      return artifacts.open(outputs[0]!.digest);
    },
    async [Symbol.asyncDispose]() {
      await rm(directory, { recursive: true, force: true });
    },
  };
  return fixture;
}
