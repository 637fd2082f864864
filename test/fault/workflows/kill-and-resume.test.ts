import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestsOf, type RunObject, runCli, runJson, startCli } from '../../support/cli.js';
import { checkedAfterEach } from '../../support/invariants.js';
import { allEnded, descendantsOf } from '../../support/processes.js';
import { seededRandom } from '../../support/random.js';
import { beginnings, stageBegun } from '../../support/run-log.js';
import { type Project, visitorsProject } from '../../support/visitors.js';

const long = process.env['MILLRACE_LONG'] !== undefined;
const seed = Number(process.env['MILLRACE_SEED'] ?? 20261124);
const params = ['--param', 'maxEpochs=12'];

/** The stages in whose middle a run is killed; more moments come round again, at other points of the stage. */
const places = [
  'model',
  'onnx',
  'rows',
  'live',
  'visits',
  'paces',
  'model/feed',
  'report',
  'version',
  'model/statistics',
];
const random = seededRandom(seed);
const moments = Array.from({ length: long ? 20 : 4 }, (_, index) => ({
  stage: places[index % places.length]!,
  fraction: Number(random().toFixed(3)),
}));

describe('a run killed with SIGKILL and resumed', () => {
  let project: Project;
  let undisturbed: RunObject;

  beforeAll(async () => {
    project = await visitorsProject();
    undisturbed = await project.run(params);
    expect(undisturbed.status).toBe('succeeded');
  });
  afterAll(() => project[Symbol.asyncDispose]());

  const checked = checkedAfterEach();
  let store = '';
  let stores = 0;
  function freshStore(): string {
    store = checked.store(join(project.directory, '..', `store-${stores++}`));
    return store;
  }

  test.each(moments)(
    'gives the digests of an undisturbed one after a kill in $stage, at $fraction of it',
    async ({ stage, fraction }) => {
      const args = ['run', join(project.directory, 'pipeline.ts'), ...params, '--store', freshStore()];
      const { child, done } = startCli(args);
      const run = await stageBegun(store, stage);
      const durationMs = undisturbed.stages.find((one) => one.id === stage)!.durationMs;
      await Promise.race([delay(fraction * durationMs), done]);
      const children = descendantsOf(child.pid!);
      child.kill('SIGKILL');
      await done;
      await allEnded(children);
      const before = await runJson<RunObject>(['runs', 'show', run, '--store', store]);
      const resumed =
        before.status === 'succeeded' ? before : await runJson<RunObject>(['runs', 'resume', run, '--store', store]);
      expect({ seed, stage, fraction, status: resumed.status }).toEqual({ seed, stage, fraction, status: 'succeeded' });
      expect(digestsOf(resumed)).toEqual(digestsOf(undisturbed));
      const history = await runJson<{
        readonly history: readonly { readonly kind: string }[];
        readonly altered: number | null;
      }>(['models', 'history', '--verify', '--store', store]);
      expect(history.altered).toBeNull();
      expect(history.history.map((entry) => entry.kind)).toEqual(['register', 'gate', 'promote', 'deploy']);
    },
  );

  test('computes nothing again that had finished', async () => {
    const args = ['run', join(project.directory, 'pipeline.ts'), ...params, '--store', freshStore()];
    const { child, done } = startCli(args);
    const run = await stageBegun(store, 'model');
    child.kill('SIGKILL');
    await done;
    expect((await runJson<RunObject>(['runs', 'show', run, '--store', store])).status).toBe('interrupted');
    await runJson<RunObject>(['runs', 'resume', run, '--store', store]);
    for (const stage of ['visits', 'paces', 'rows', 'model/statistics', 'model/feed'])
      expect({ stage, beginnings: beginnings(store, run, stage) }).toEqual({ stage, beginnings: 1 });
    expect(beginnings(store, run, 'model')).toBe(2);
  });

  test.each([1, 3, 8])('gives the same digests on %i threads', async (threads) => {
    const run = await runJson<RunObject>([
      'run',
      join(project.directory, 'pipeline.ts'),
      ...params,
      '--store',
      freshStore(),
      '--threads',
      String(threads),
    ]);
    expect(digestsOf(run)).toEqual(digestsOf(undisturbed));
  });

  test('is refused while its process is alive', async () => {
    const { child, done } = startCli([
      'run',
      join(project.directory, 'pipeline.ts'),
      ...params,
      '--store',
      freshStore(),
    ]);
    const id = await stageBegun(store, 'visits');
    const refused = await runCli(['runs', 'resume', id, '--store', store]);
    child.kill('SIGINT');
    expect((await done).code).toBe(130);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toBe(
      `${id}: expected a run that no process drives; received one that process ${child.pid} drives. Wait for it, or cancel it with millrace runs cancel.\n`,
    );
    const resumed = await runJson<RunObject>(['runs', 'resume', id, '--store', store]);
    expect(digestsOf(resumed)).toEqual(digestsOf(undisturbed));
  });
});
