import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestsOf, type RunObject, runJson } from '../../../support/cli.js';
import { startPostgres, type TestPostgres } from '../../../support/postgres.js';
import { startTemporal, startWorker, type TestTemporal, type TestWorker } from '../../../support/temporal.js';
import { type Project, visitorsProject } from '../../../support/visitors.js';

const config = `import { defineConfig, secret } from 'millrace';
export default defineConfig({ store: { directory: '../team', metadata: secret('TEAM_METADATA_URL') }, temporal: { queue: 'team' } });
`;

describe('a store whose metadata is on PostgreSQL', () => {
  let project: Project;
  let postgres: TestPostgres;
  let temporal: TestTemporal;
  let worker: TestWorker;
  let embedded: RunObject;
  let env: Readonly<Record<string, string>>;

  beforeAll(async () => {
    project = await visitorsProject();
    embedded = await project.run();
    await project.write('millrace.config.ts', config);
    [postgres, temporal] = await Promise.all([startPostgres(), startTemporal(join(project.directory, '..'))]);
    env = { ...temporal.env, TEAM_METADATA_URL: await postgres.createDatabase() };
    worker = await startWorker(temporal, null, [], { cwd: project.directory, env });
  });
  afterAll(async () => {
    await worker?.[Symbol.asyncDispose]();
    await temporal?.[Symbol.asyncDispose]();
    await postgres?.[Symbol.asyncDispose]();
    await project?.[Symbol.asyncDispose]();
  });

  const inProject = (args: readonly string[]): Promise<RunObject & { readonly exitCode: number | null }> =>
    runJson<RunObject>(args, { cwd: project.directory, env });

  test('gives the digests of SQLite and the embedded host, stage by stage', async () => {
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
