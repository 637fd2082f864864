import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestsOf, type RunObject, runCli, runJson } from '../../../support/cli.js';
import { startTemporal, startWorker, type TestTemporal, type TestWorker } from '../../../support/temporal.js';
import { type Project, visitorsProject } from '../../../support/visitors.js';

describe('a run on a Temporal server', () => {
  let project: Project;
  let temporal: TestTemporal;
  let worker: TestWorker;
  let store: string;
  let embedded: RunObject;
  let first: RunObject & { readonly exitCode: number | null };

  const onTemporal = (
    args: readonly string[] = [],
    file = 'pipeline.ts',
  ): Promise<RunObject & { readonly exitCode: number | null }> =>
    runJson<RunObject>(['run', join(project.directory, file), '--store', store, '--temporal', ...args], {
      env: temporal.env,
    });

  beforeAll(async () => {
    project = await visitorsProject();
    store = join(project.directory, '..', 'shared-store');
    temporal = await startTemporal(join(project.directory, '..'));
    worker = await startWorker(temporal, store);
    embedded = await project.run();
    first = await onTemporal();
  });
  afterAll(async () => {
    await worker?.[Symbol.asyncDispose]();
    await temporal?.[Symbol.asyncDispose]();
    await project?.[Symbol.asyncDispose]();
  });

  test('gives the keys and digests of the embedded host, stage by stage', () => {
    expect(first.exitCode).toBe(0);
    expect(first.status).toBe('succeeded');
    expect(digestsOf(first)).toEqual(digestsOf(embedded));
    const pure = (run: RunObject): unknown =>
      run.stages.filter((stage) => !stage.key?.startsWith('act/')).map(({ id, key }) => ({ id, key }));
    expect(pure(first)).toEqual(pure(embedded));
    expect(first.metrics).toEqual(embedded.metrics);
    expect(first.gates).toEqual(embedded.gates);
  });

  test('finds every stage again in a second run', async () => {
    const second = await onTemporal();
    expect(new Set(second.stages.map((stage) => stage.status))).toEqual(new Set(['cached', 'fused', 'unchanged']));
    expect(digestsOf(second)).toMatchObject(
      Object.fromEntries(Object.entries(digestsOf(first)).filter(([name]) => !/^(passed|live)\./.test(name))),
    );
  });

  test('is followed by another process than the one that submitted it', async () => {
    const submitted = await runJson<{ readonly run: string; readonly status: string }>(
      ['run', join(project.directory, 'pipeline.ts'), '--store', store, '--temporal', '--detach', '-p', 'maxEpochs=2'],
      { env: temporal.env },
    );
    expect(submitted.status).toBe('running');
    const followed = await runJson<RunObject>(['runs', 'attach', submitted.run, '--store', store], {
      env: temporal.env,
    });
    expect(followed).toMatchObject({ run: submitted.run, exitCode: 0, status: 'succeeded' });
  });

  test('ends as failed with the stage’s own error, skips what is behind it, and is resumed once that is mended', async () => {
    const visits = await project.read('data/visits.csv');
    await project.write('data/visits.csv', visits.replace(/,(true|false)\n/g, ',true\n'));
    const failed = await onTemporal(['-p', 'maxEpochs=3']);
    expect(failed.exitCode).toBe(1);
    expect(failed.stages.find((stage) => stage.status === 'failed')?.error?.code).toBe('DATA_SINGLE_CLASS');
    expect(failed.stages.find((stage) => stage.id === 'live')?.status).toBe('skipped');
    const again = await runJson<RunObject>(['runs', 'resume', failed.run, '--store', store], { env: temporal.env });
    expect(again).toMatchObject({ run: failed.run, status: 'failed', exitCode: 1 });
    await project.write('data/visits.csv', visits);
  });

  test('refuses to resume what succeeded', async () => {
    const { code, stderr } = await runCli(['runs', 'resume', first.run, '--store', store], { env: temporal.env });
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: `${first.run}: expected a run that has something left to do; received one that succeeded. Start a new one with millrace run.\n`,
    });
  });

  test('follows no run that is not there, nor one that a command drives itself', async () => {
    const { env } = temporal;
    const missing = await runCli(['runs', 'attach', 'ffff', '--store', store], { env });
    expect({ code: missing.code, stderr: missing.stderr }).toEqual({
      code: 2,
      stderr:
        'run "ffff": expected a run\'s id or a unique prefix of it; received no run of this id. `millrace runs list` shows all runs.\n',
    });
    const other = await runCli(['runs', 'attach', embedded.run, ...project.inStore], { env });
    expect({ code: other.code, stderr: other.stderr }).toEqual({
      code: 2,
      stderr: `${embedded.run}: expected a run that a Temporal server drives; received one that a command drives itself. Follow it with millrace runs logs --follow ${embedded.run}.\n`,
    });
  });

  test('refuses a queue whose name is none', async () => {
    const { code, stderr } = await runCli(['worker', 'start', '--queue', '../a', '--store', store], {
      env: temporal.env,
    });
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: "--queue: expected letters, digits, dot, dash and underscore, at most 128; received '../a'.\n",
    });
  });

  test('says what to do where no server answers, and leaves no run that seems to go on', async () => {
    const { code, stderr } = await runCli(
      ['run', join(project.directory, 'pipeline.ts'), '--store', store, '--temporal'],
      { env: { TEMPORAL_ADDRESS: '127.0.0.1:1' } },
    );
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr:
        'TEMPORAL_ADDRESS: expected a Temporal server that answers at 127.0.0.1:1; received a refused connection. Start one with millrace dev, or set TEMPORAL_ADDRESS to one that runs.\n',
    });
    const { runs } = await runJson<{ readonly runs: readonly { readonly status: string }[] }>([
      'runs',
      'list',
      '--store',
      store,
    ]);
    expect(runs.filter((run) => run.status === 'running')).toEqual([]);
  });

  test('says which namespace a server does not have', async () => {
    const { code, stderr } = await runCli(
      ['run', join(project.directory, 'pipeline.ts'), '--store', store, '--temporal'],
      { env: { ...temporal.env, TEMPORAL_NAMESPACE: 'elsewhere' } },
    );
    expect({ code, stderr: stderr.replace(/^Submitted.*\n/, '') }).toEqual({
      code: 1,
      stderr: `TEMPORAL_NAMESPACE: expected a namespace of the Temporal server at ${temporal.address}; received 'elsewhere', which it does not have. Make it with: temporal operator namespace create --namespace elsewhere --address ${temporal.address}\n`,
    });
  });

  test('ends the worker without a trace on SIGTERM', async () => {
    const other = await startWorker(temporal, store, ['--queue', 'other']);
    expect(await other.stop()).toBe(0);
  });
});
