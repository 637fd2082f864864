import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { digestsOf, type RunObject, runCli, runJson, startCli, temporaryDirectory } from '../../support/cli.js';
import { seededRandom } from '../../support/random.js';

const long = process.env['MILLRACE_LONG'] !== undefined;
const moments = long ? 20 : 4;
const seed = Number(process.env['MILLRACE_TEST_SEED'] ?? 20261124);
const pipeline = ['examples/subscription-churn/pipeline.ts', '-p', 'customers=4000', '-p', 'events=60000', '-p', 'maxEpochs=12'];

describe('a run killed with SIGKILL and resumed', () => {
  let undisturbed: Record<string, string>;
  let durationMs: number;

  beforeAll(async () => {
    await using store = await temporaryDirectory();
    const started = performance.now();
    const run = await runJson<RunObject>(['run', ...pipeline, '--store', store.path]);
    durationMs = performance.now() - started;
    expect(run.status).toBe('succeeded');
    undisturbed = digestsOf(run);
  });

  const random = seededRandom(seed);
  const fractions = Array.from({ length: moments }, (_, index) => (index + random()) / moments);

  test.each(fractions)('gives the digests of an undisturbed one after a kill at %f of its time', async (fraction) => {
    await using store = await temporaryDirectory();
    const { child, done } = startCli(['run', ...pipeline, '--store', store.path]);
    await Promise.race([delay(fraction * durationMs), done]);
    child.kill('SIGKILL');
    await done;
    await expectNoChildren(store.path);
    const { runs } = await runJson<{ runs: readonly { run: string; status: string }[] }>(['runs', 'list', '--store', store.path]);
    const interrupted = runs[0];
    const resumed =
      interrupted === undefined || interrupted.status === 'succeeded'
        ? await runJson<RunObject>(['run', ...pipeline, '--store', store.path])
        : await runJson<RunObject>(['runs', 'resume', interrupted.run, '--store', store.path]);
    expect({ seed, fraction, status: resumed.status }).toEqual({ seed, fraction, status: 'succeeded' });
    expect(digestsOf(resumed)).toEqual(undisturbed);
    expect(leftovers(store.path)).toEqual([]);
  });

  test.each([1, 2, 3, 8])('gives the same digests on %i threads', async (threads) => {
    await using store = await temporaryDirectory();
    const run = await runJson<RunObject>(['run', ...pipeline, '--store', store.path, '--threads', String(threads)]);
    expect(digestsOf(run)).toEqual(undisturbed);
  });

  test('is refused while its process is alive', async () => {
    await using store = await temporaryDirectory();
    const { child, done } = startCli(['run', ...pipeline, '--store', store.path]);
    const id = await firstRun(store.path);
    const refused = await runCli(['runs', 'resume', id, '--store', store.path]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toBe(`${id}: expected a run that no process drives; received one that process ${child.pid} drives. Wait for it, or cancel it with millrace runs cancel.\n`);
    child.kill('SIGINT');
    expect((await done).code).toBe(130);
  });
});

/** Children end with their parent: nobody works in the store any more. */
async function expectNoChildren(store: string): Promise<void> {
  for (let tries = 0; tries < 50; tries++) {
    const found = execFileSync('ps', ['-eo', 'args']).toString().split('\n').filter((line) => line.includes(store));
    if (found.length === 0) return;
    await delay(100);
  }
  throw new Error(`processes of ${store} outlived their parent`);
}

async function firstRun(store: string): Promise<string> {
  for (;;) {
    const { runs } = await runJson<{ runs: readonly { run: string; status: string }[] }>(['runs', 'list', '--store', store]);
    if (runs[0] !== undefined) return runs[0].run;
    await delay(50);
  }
}

/** Temporary directories and scratch that a finished run should not leave. */
function leftovers(store: string): string[] {
  return ['tmp', 'scratch'].flatMap((name) => {
    try {
      return readdirSync(join(store, name)).map((entry) => `${name}/${entry}`);
    } catch {
      return [];
    }
  });
}
