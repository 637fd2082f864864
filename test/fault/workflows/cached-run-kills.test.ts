import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestsOf, type RunObject, runJson, startCli } from '../../support/cli.js';
import { allEnded, descendantsOf } from '../../support/processes.js';
import { seededRandom } from '../../support/random.js';
import { leftovers, recordedRuns } from '../../support/run-log.js';
import { type Project, visitorsProject } from '../../support/visitors.js';

const seed = Number(process.env['MILLRACE_TEST_SEED'] ?? 20261124);
const random = seededRandom(seed);
/** Half of the kills come anywhere in the command, half where its run has begun and its stages follow each other fast. */
const moments = Array.from({ length: process.env['MILLRACE_LONG'] === undefined ? 8 : 40 }, (_, index) => ({
  from: index % 2 === 0 ? ('the command’s start' as const) : ('the run’s start' as const),
  fraction: Number(random().toFixed(3)),
}));
const ended = new Set(['cached', 'fused', 'unchanged', 'succeeded']);

describe('a run whose stages are all cached, killed with SIGKILL', () => {
  let project: Project;
  /** A cached run that nobody killed: its gate has judged beside a champion. */
  let undisturbed: RunObject;
  /** Wall time of the whole command and of the run in it. */
  let commandMs = 0;
  let runMs = 0;

  beforeAll(async () => {
    project = await visitorsProject();
    expect((await project.run()).status).toBe('succeeded');
    const started = performance.now();
    const { done } = start();
    await Promise.race([runBegun(1), done]);
    const begun = performance.now();
    expect((await done).code).toBe(0);
    commandMs = performance.now() - started;
    runMs = performance.now() - begun;
    undisturbed = await show(recordedRuns(project.store).at(-1)!);
  });
  afterAll(() => project[Symbol.asyncDispose]());

  function start(): ReturnType<typeof startCli> {
    return startCli(['run', join(project.directory, 'pipeline.ts'), ...project.inStore]);
  }

  async function runBegun(before: number): Promise<void> {
    while (recordedRuns(project.store).length === before) await delay(1);
  }

  async function show(run: string): Promise<RunObject> {
    return runJson<RunObject>(['runs', 'show', run, ...project.inStore]);
  }

  async function allRuns(): Promise<readonly { readonly run: string; readonly status: string }[]> {
    const args = ['runs', 'list', '--limit', '1000', ...project.inStore];
    return (await runJson<{ readonly runs: readonly { readonly run: string; readonly status: string }[] }>(args)).runs;
  }

  test.each(moments)('loses nothing that finished, at $fraction from $from, and is resumed', async (moment) => {
    const told = { seed, ...moment };
    const before = await allRuns();
    const { child, done } = start();
    if (moment.from === 'the run’s start') {
      await Promise.race([runBegun(recordedRuns(project.store).length), done]);
      await Promise.race([delay(moment.fraction * runMs), done]);
    } else {
      await Promise.race([delay(moment.fraction * commandMs), done]);
    }
    const children = child.exitCode === null ? descendantsOf(child.pid!) : [];
    child.kill('SIGKILL');
    await done;
    await allEnded(children);

    const after = await allRuns();
    const known = new Set(before.map(({ run }) => run));
    expect({ ...told, earlier: after.filter(({ run }) => known.has(run)) }).toEqual({ ...told, earlier: before });
    for (const { run, status } of after.filter((one) => !known.has(one.run))) {
      expect({ ...told, status }).toEqual({ ...told, status: expect.stringMatching(/^(interrupted|succeeded)$/) });
      const killed = await show(run);
      const resumed =
        status === 'succeeded' ? killed : await runJson<RunObject>(['runs', 'resume', run, ...project.inStore]);
      expect({ ...told, status: resumed.status, digests: digestsOf(resumed) }).toEqual({
        ...told,
        status: 'succeeded',
        digests: digestsOf(undisturbed),
      });
      const finished = killed.stages.filter((stage) => ended.has(stage.status));
      const names = new Set(finished.map(({ id }) => id));
      expect({ ...told, kept: (await show(run)).stages.filter(({ id }) => names.has(id)) }).toEqual({
        ...told,
        kept: finished,
      });
    }
    const history = await runJson<{
      readonly history: readonly { readonly kind: string; readonly decision: { readonly actor: string } }[];
      readonly altered: number | null;
    }>(['models', 'history', '--verify', ...project.inStore]);
    // Every run judges once, and a resumed one not again; the other acts find their effect there.
    const gates = history.history.filter(({ kind }) => kind === 'gate').map(({ decision }) => decision.actor);
    const others = history.history.map(({ kind }) => kind).filter((kind) => kind !== 'gate');
    expect({ ...told, altered: history.altered, others, gates }).toEqual({
      ...told,
      altered: null,
      others: ['register', 'promote', 'deploy'],
      gates: [...new Set(gates)],
    });
    expect({ ...told, left: leftovers(project.store) }).toEqual({ ...told, left: [] });
  });
});
