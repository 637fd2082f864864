import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { digestsOf, type RunObject, runCli, runJson, startCli } from '../../support/cli.js';
import { checkedAfterEach } from '../../support/invariants.js';
import { allEnded, descendantsOf, descendantsWith } from '../../support/processes.js';
import { beginnings, logOf, recordedRuns, stageBegun } from '../../support/run-log.js';
import { visitorsProject } from '../../support/visitors.js';

const checked = checkedAfterEach();
const stages = ['visits', 'paces', 'rows', 'model/statistics', 'model/feed', 'model', 'onnx', 'report'];
const acts = ['version', 'passed', 'live', 'endpoint'];

describe('Ctrl-C', () => {
  test('ends the command with 130 in every stage, with all children gone, and the run goes on from there', async () => {
    const project = await checked.project();
    const undisturbed = await runJson<RunObject>([
      'run',
      join(project.directory, 'pipeline.ts'),
      '--store',
      checked.store(`${project.store}-2`),
    ]);
    const begin = ['run', join(project.directory, 'pipeline.ts'), ...project.inStore];
    let run: string | null = null;
    for (const stage of [...stages, ...acts]) {
      const times: number = run === null ? 1 : beginnings(project.store, run, stage) + 1;
      // A terminal sends the signal to the whole group, children included.
      const { child, done } = startCli(run === null ? begin : ['runs', 'resume', run, ...project.inStore], {
        detached: true,
      });
      const begun = await Promise.race([stageBegun(project.store, stage, times), done.then(() => null)]);
      if (acts.includes(stage) && begun === null) continue;
      expect({ stage, begun }).toEqual({ stage, begun: expect.any(String) });
      run = begun;
      const children = descendantsOf(child.pid!);
      process.kill(-child.pid!, 'SIGINT');
      const { code, signal, stderr } = await done;
      await allEnded(children);
      // Acts take a few milliseconds: the signal may find the run at its end.
      if (acts.includes(stage) && (code === 0 || signal === 'SIGINT')) continue;
      expect({ stage, code }).toEqual({ stage, code: 130 });
      expect(stderr).toContain('Cancelling: what finished stays. Press Ctrl-C again to stop at once.');
      expect(stderr).toContain(`Go on with: millrace runs resume ${run}`);
    }
    const before = await runJson<RunObject>(['runs', 'show', run!, ...project.inStore]);
    const resumed =
      before.status === 'succeeded' ? before : await runJson<RunObject>(['runs', 'resume', run!, ...project.inStore]);
    expect(resumed.status).toBe('succeeded');
    expect(digestsOf(resumed)).toEqual(digestsOf(undisturbed));
  });

  test('in training leaves a checkpoint that the resumed run goes on from', async () => {
    // Unchecked: the run ends cancelled, and its checkpoint stays for another resume.
    await using project = await visitorsProject();
    const begin = ['run', join(project.directory, 'pipeline.ts'), '--param', 'maxEpochs=100000', ...project.inStore];
    const epochs = (run: string): readonly number[] =>
      logOf(project.store, run).flatMap((line) => {
        const { stage, progress } = line as {
          readonly stage?: string;
          readonly progress?: { readonly message: string };
        };
        const epoch = stage === 'model' ? /^epoch (\d+)/.exec(progress?.message ?? '')?.[1] : undefined;
        return epoch === undefined ? [] : [Number(epoch)];
      });
    /** Interrupts it once it has told of an epoch beyond those that are known. */
    const interrupted = async (args: readonly string[], times: number, known: number): Promise<string> => {
      const { child, done } = startCli(args);
      const run = await stageBegun(project.store, 'model', times);
      while (epochs(run).length < known + 2 && child.exitCode === null) await delay(20);
      child.kill('SIGINT');
      expect((await done).code).toBe(130);
      return run;
    };
    const run = await interrupted(begin, 1, 0);
    const before = epochs(run);
    await interrupted(['runs', 'resume', run, ...project.inStore], 2, before.length);
    expect(epochs(run)[before.length]).toBeGreaterThan(before.at(-1)!);
    expect(logOf(project.store, run).filter((line) => line.kind === 'stageLog' && line.stage === 'model')).toEqual([]);
  });

  test('ends a compilation that does not return', async () => {
    const project = await checked.emptyProject();
    await project.write('pipeline.ts', 'for (;;);\n');
    const { child, done } = startCli(['run', join(project.directory, 'pipeline.ts'), ...project.inStore], {
      detached: true,
    });
    const children = await descendantsWith(child.pid!, 'compile-main');
    process.kill(-child.pid!, 'SIGINT');
    expect((await done).code).toBe(130);
    await allEnded(children);
    expect(recordedRuns(project.store)).toEqual([]);
  });
});

describe('kill -9', () => {
  test('takes a custom stage along that never returns to the event loop', async () => {
    const project = await checked.project(50);
    await project.edit('pace.ts', 'for await', 'for (;;);\n  for await');
    const { child, done } = startCli(['run', join(project.directory, 'pipeline.ts'), ...project.inStore]);
    await stageBegun(project.store, 'paces');
    const children = await descendantsWith(child.pid!, 'custom-main');
    await delay(300);
    child.kill('SIGKILL');
    await done;
    await allEnded(children);
    // Any next command sweeps what was left.
    expect((await runCli(['runs', 'list', ...project.inStore])).code).toBe(0);
  });

  test('takes a compilation along that does not return', async () => {
    const project = await checked.emptyProject();
    await project.write('pipeline.ts', 'for (;;);\n');
    const { child, done } = startCli(['run', join(project.directory, 'pipeline.ts'), ...project.inStore]);
    const children = await descendantsWith(child.pid!, 'compile-main');
    await delay(300);
    child.kill('SIGKILL');
    await done;
    await allEnded(children);
    // Any next command sweeps what was left.
    expect((await runCli(['runs', 'list', ...project.inStore])).code).toBe(0);
  });
});

describe('millrace runs cancel', () => {
  test('cancels a run of another process', async () => {
    const project = await checked.project(50);
    await project.edit(
      'pace.ts',
      'for await',
      'await new Promise((resolve) => setTimeout(resolve, 60_000));\n  for await',
    );
    const { done } = startCli(['run', join(project.directory, 'pipeline.ts'), ...project.inStore]);
    const run = await stageBegun(project.store, 'paces');
    expect((await runCli(['runs', 'cancel', run, ...project.inStore])).code).toBe(0);
    expect((await done).code).toBe(130);
    const again = await runCli(['runs', 'cancel', run, ...project.inStore]);
    expect(again.code).toBe(2);
    expect(again.stderr).toBe(
      `${run}: expected a run that a process drives; received a run that is cancelled. There is nothing to cancel.\n`,
    );
  });
});
