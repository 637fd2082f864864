import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { digestsOf, type RunObject, runJson, startCli } from '../../support/cli.js';
import { checkedAfterEach } from '../../support/invariants.js';
import { descendantsWith } from '../../support/processes.js';
import { logOf, stageBegun } from '../../support/run-log.js';

const checked = checkedAfterEach();
const params = ['--param', 'maxEpochs=60'];

test('a training process that is killed is started again, and gives the digests of an undisturbed run', async () => {
  const project = await checked.project();
  const undisturbed = await project.run([...params, '--store', checked.store(`${project.store}-2`)]);
  const { child, done } = startCli([
    'run',
    join(project.directory, 'pipeline.ts'),
    ...params,
    ...project.inStore,
    '--json',
  ]);
  const run = await stageBegun(project.store, 'model');
  const below = await descendantsWith(child.pid!, 'rank-main');
  const trainer = below.find((pid) => argumentsOf(pid).includes('rank-main'));
  process.kill(trainer!, 'SIGKILL');
  const { code, stdout } = await done;
  expect({ code, status: (JSON.parse(stdout) as RunObject).status }).toEqual({ code: 0, status: 'succeeded' });
  const retries = logOf(project.store, run).filter((line) => line.kind === 'stageRetry');
  expect(retries).toMatchObject([{ stage: 'model', delayMs: 200, message: expect.stringContaining('SIGKILL') }]);
  expect(digestsOf(JSON.parse(stdout) as RunObject)).toEqual(digestsOf(undisturbed));
});

test('a custom stage whose process dies is not started again', async () => {
  const project = await checked.project(50);
  await project.edit('pace.ts', 'for await', 'process.exit(7);\n  for await');
  const failed = await runJson<RunObject>(['run', join(project.directory, 'pipeline.ts'), ...project.inStore]);
  expect(failed.exitCode).toBe(1);
  expect(failed.stages.find((stage) => stage.status === 'failed')).toMatchObject({
    id: 'paces',
    error: {
      code: 'CHILD_DIED',
      message:
        'paces: expected a child process that answers; received exit code 7. Remove process.exit() from the function.',
    },
  });
  expect(logOf(project.store, failed.run).filter((line) => line.kind === 'stageRetry')).toEqual([]);
});

function argumentsOf(pid: number): string {
  return execFileSync('ps', ['-o', 'args=', '-p', String(pid)]).toString();
}
