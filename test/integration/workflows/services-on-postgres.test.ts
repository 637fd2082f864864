import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { definePipeline, sql } from 'millrace';
import { t } from 'millrace/types';
import { expect, test } from 'vitest';
import type { Pipeline } from '../../../pipelines/define/pipeline.js';
import { compilePlan } from '../../../pipelines/plan/compile.js';
import { writePlan } from '../../../workflows/bundle/prepare-pipeline.js';
import { startRun } from '../../../workflows/embedded/run-plan.js';
import { openServices } from '../../../workflows/services.js';
import { startPostgres } from '../../support/postgres.js';
import { emptyProject, type Project } from '../../support/visitors.js';

const squares = definePipeline({
  name: 'squares',
  build: () => {
    const rows = sql`SELECT i, i * i AS square FROM range(1000) AS numbers (i)`.as(
      { i: t.int64, square: t.int64 },
      { key: 'i' },
    );
    return { rows, even: sql`SELECT i, square FROM ${rows} WHERE i % 2 = 0`.as({ i: t.int64, square: t.int64 }) };
  },
});

/** Status, key and outputs of each stage, in order of ids. */
async function run(project: Project, metadataUrl: string | null) {
  await using services = await openServices({
    directory: project.store,
    threads: 1,
    memoryLimitMb: 512,
    ...(metadataUrl === null ? {} : { metadataUrl }),
  });
  const plan = compilePlan(squares as unknown as Pipeline, {}, () => null);
  const result = await startRun(
    services,
    { plan, digest: await writePlan(services, plan) },
    {
      root: project.directory,
      bundle: null,
      useCache: true,
      from: null,
      signal: new AbortController().signal,
      onEvent: () => undefined,
    },
  );
  expect(result.status).toBe('succeeded');
  const stages = await services.metadata.stages(result.run);
  return stages
    .map(({ stage, status, key, outputs }) => ({ stage, status, key, outputs }))
    .sort((a, b) => (a.stage < b.stage ? -1 : 1));
}

test('a plan gives on PostgreSQL the keys and digests of SQLite, and its stages are found again there', async () => {
  await using server = await startPostgres();
  await using onDisk = await emptyProject();
  await using shared = await emptyProject();
  const url = await server.createDatabase();
  const expected = await run(onDisk, null);
  expect(expected.map(({ stage }) => stage)).toEqual(['even', 'rows']);
  expect(await run(shared, url)).toEqual(expected);
  const again = await run(shared, url);
  expect(again.map(({ status }) => status)).toEqual(['cached', 'cached']);
  expect(again.map(({ key, outputs }) => ({ key, outputs }))).toEqual(
    expected.map(({ key, outputs }) => ({ key, outputs })),
  );
  expect(existsSync(join(shared.store, 'metadata.sqlite'))).toBe(false);
});
