import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestsOf, type RunObject, runJson, startCli } from '../../support/cli.js';
import { checkedAfterEach } from '../../support/invariants.js';
import { allEnded, descendantsOf, descendantsWith } from '../../support/processes.js';
import { seededRandom } from '../../support/random.js';
import { startTemporal, startWorker, type TestTemporal } from '../../support/temporal.js';
import { type Project, visitorsProject } from '../../support/visitors.js';

const long = process.env['MILLRACE_LONG'] !== undefined;
const seed = Number(process.env['MILLRACE_SEED'] ?? 20261124);
const random = seededRandom(seed);
const victims = ['worker', 'server', 'client', 'child'] as const;
const moments = Array.from({ length: long ? 120 : 4 }, (_, index) => ({
  victim: victims[index % victims.length]!,
  fraction: Number(random().toFixed(3)),
}));

describe('kill -9 during a run on a Temporal server', () => {
  let project: Project;
  let temporal: TestTemporal;
  let undisturbed: RunObject;
  let undisturbedMs: number;
  let stores = 0;
  const checked = checkedAfterEach(() => ({ temporal: temporal.address }));

  beforeAll(async () => {
    project = await visitorsProject();
    temporal = await startTemporal(join(project.directory, '..'));
    const started = performance.now();
    undisturbed = await project.run();
    undisturbedMs = performance.now() - started;
    expect(undisturbed.status).toBe('succeeded');
  });
  afterAll(async () => {
    await temporal?.[Symbol.asyncDispose]();
    await project?.[Symbol.asyncDispose]();
  });

  test.each(moments)('of the $victim at $fraction of it changes no digest', async ({ victim, fraction }) => {
    const store = checked.store(join(project.directory, '..', `store-${stores++}`));
    await using worker = await startWorker(temporal, store);
    const { child, done } = startCli(
      ['run', join(project.directory, 'pipeline.ts'), '--store', store, '--temporal', '--json'],
      { env: temporal.env },
    );
    const run = await submitted(child);
    if (victim !== 'child') await delay(fraction * undisturbedMs);
    let left: readonly number[] = [];
    let successor: AsyncDisposable | null = null;
    if (victim === 'worker') {
      left = descendantsOf(worker.pid);
      await worker.stop('SIGKILL');
      successor = await startWorker(temporal, store);
    } else if (victim === 'server') {
      await temporal.killAndRestart();
    } else if (victim === 'client') {
      child.kill('SIGKILL');
      await done;
    } else {
      // The child that trains, somewhere in its work.
      left = (await descendantsWith(worker.pid, 'rank-main')).slice(-1);
      await delay(fraction * 1000);
      for (const pid of left.filter((one) => descendantsOf(worker.pid).includes(one))) process.kill(pid, 'SIGKILL');
    }
    await allEnded(left);
    const ended = await runJson<RunObject>(['runs', 'attach', run, '--store', store], { env: temporal.env });
    expect({ seed, victim, fraction, status: ended.status }).toEqual({ seed, victim, fraction, status: 'succeeded' });
    expect(digestsOf(ended)).toEqual(digestsOf(undisturbed));
    await done;
    const history = await runJson<{
      readonly history: readonly { readonly kind: string }[];
      readonly altered: number | null;
    }>(['models', 'history', '--verify', '--store', store]);
    expect(history.altered).toBeNull();
    expect(history.history.map((entry) => entry.kind)).toEqual(['register', 'gate', 'promote', 'deploy']);
    await successor?.[Symbol.asyncDispose]();
  });
});

/** The id of the run, once the command has told it. */
function submitted(child: ReturnType<typeof startCli>['child']): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stderr!.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const run = /^Submitted run (\S+)\.$/m.exec(text)?.[1];
      if (run !== undefined) resolve(run);
    });
    child.once('close', () => reject(new Error(text)));
  });
}
