import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestsOf, type RunObject, runJson } from '../../../support/cli.js';
import { startPostgres, type TestPostgres } from '../../../support/postgres.js';
import { startS3, type TestS3 } from '../../../support/s3.js';
import { startTemporal, startWorker, type TestTemporal, type TestWorker } from '../../../support/temporal.js';
import { type Project, visitorsProject } from '../../../support/visitors.js';

const configOf = (endpoint: string): string => `import { defineConfig, secret } from 'millrace';
export default defineConfig({
  store: {
    directory: process.env['TEAM_DIRECTORY'] ?? '../team',
    metadata: secret('TEAM_METADATA_URL'),
    artifacts: { url: 's3://team/store', endpoint: '${endpoint}' },
  },
  temporal: { queue: 'team' },
});
`;

describe('a store on PostgreSQL and S3', () => {
  let project: Project;
  let postgres: TestPostgres;
  let s3: TestS3;
  let temporal: TestTemporal;
  let worker: TestWorker;
  let embedded: RunObject;
  let env: Readonly<Record<string, string>>;

  beforeAll(async () => {
    project = await visitorsProject();
    embedded = await project.run();
    const home = join(project.directory, '..');
    [postgres, s3, temporal] = await Promise.all([startPostgres(), startS3(home), startTemporal(home)]);
    await s3.createBucket('team');
    await project.write('millrace.config.ts', configOf(s3.endpoint));
    env = { ...temporal.env, ...s3.env, TEAM_METADATA_URL: await postgres.createDatabase() };
    // A machine of its own: no directory is shared.
    worker = await startWorker(temporal, null, [], {
      cwd: project.directory,
      env: { ...env, TEAM_DIRECTORY: join(home, 'worker') },
    });
  });
  afterAll(async () => {
    await worker?.[Symbol.asyncDispose]();
    await temporal?.[Symbol.asyncDispose]();
    await s3?.[Symbol.asyncDispose]();
    await postgres?.[Symbol.asyncDispose]();
    await project?.[Symbol.asyncDispose]();
  });

  const inProject = (args: readonly string[]): Promise<RunObject & { readonly exitCode: number | null }> =>
    runJson<RunObject>(args, { cwd: project.directory, env });

  test('gives the digests of SQLite, disk and the embedded host, stage by stage', async () => {
    const run = await inProject(['run', 'pipeline.ts', '--temporal']);
    expect(run.status).toBe('succeeded');
    expect(digestsOf(run)).toEqual(digestsOf(embedded));
  });

  test('is one store for both hosts: what a worker computed, the embedded host finds', async () => {
    const run = await inProject(['run', 'pipeline.ts']);
    expect(new Set(run.stages.map((stage) => stage.status))).toEqual(new Set(['cached', 'fused', 'unchanged']));
  });

  test('keeps the password out of the store and of what commands print', async () => {
    const { runs } = await runJson<{ readonly runs: readonly { readonly run: string }[] }>(['runs', 'list'], {
      cwd: project.directory,
      env,
    });
    const shown = await Promise.all(runs.map(({ run }) => inProject(['runs', 'show', run, '--why'])));
    expect(JSON.stringify([runs, shown])).not.toContain(postgres.password);
  });
});
