import { existsSync, readdirSync } from 'node:fs';
import { mkdir, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { currentOwner } from '../../../connectors/metadata-store/process-owner.js';
import { type RunObject, runJson, startCli } from '../../support/cli.js';
import { checkedAfterEach } from '../../support/invariants.js';
import { allEnded, descendantsOf, descendantsWith } from '../../support/processes.js';
import { leftovers, stageBegun } from '../../support/run-log.js';
import type { Project } from '../../support/visitors.js';

const checked = checkedAfterEach();
const params = ['--param', 'maxEpochs=60'];

function start(project: Project): ReturnType<typeof startCli> {
  return startCli(['run', join(project.directory, 'pipeline.ts'), ...params, ...project.inStore]);
}

async function killed({ child, done }: ReturnType<typeof startCli>): Promise<void> {
  const children = descendantsOf(child.pid!);
  child.kill('SIGKILL');
  await done;
  await allEnded(children);
}

/** Any next command. */
async function listRuns(project: Project): Promise<readonly { readonly run: string; readonly status: string }[]> {
  return (
    await runJson<{ readonly runs: readonly { readonly run: string; readonly status: string }[] }>([
      'runs',
      'list',
      ...project.inStore,
    ])
  ).runs;
}

function checkpointsOf(project: Project): readonly string[] {
  const scratch = join(project.store, 'scratch');
  return existsSync(scratch)
    ? readdirSync(scratch, { recursive: true })
        .map(String)
        .filter((path) => path.includes('checkpoints/') && !path.includes('partial'))
    : [];
}

async function makeOld(directory: string, days: number): Promise<void> {
  const then = Date.now() / 1000 - days * 24 * 60 * 60;
  for (const path of [...readdirSync(directory, { recursive: true }).map(String), '.'])
    await utimes(join(directory, path), then, then);
}

test('what a killed custom stage left goes at the next start, and what a live one uses stays', async () => {
  const project = await checked.project(50);
  const wait = 'await new Promise((resolve) => setTimeout(resolve, 600_000));\n  for await';
  await project.edit('pace.ts', 'for await', wait);
  const first = start(project);
  const run = await stageBegun(project.store, 'paces');
  await descendantsWith(first.child.pid!, 'custom-main');
  await killed(first);
  expect(leftovers(project.store)).not.toEqual([]);
  expect(await listRuns(project)).toEqual([expect.objectContaining({ run, status: 'interrupted' })]);
  expect(leftovers(project.store)).toEqual([]);

  const live = startCli(['runs', 'resume', run, ...project.inStore]);
  await stageBegun(project.store, 'paces', 2);
  await descendantsWith(live.child.pid!, 'custom-main');
  const inUse = leftovers(project.store).filter((path) => path.startsWith('scratch/'));
  expect(inUse).not.toEqual([]);
  await listRuns(project);
  expect(leftovers(project.store).filter((path) => path.startsWith('scratch/'))).toEqual(inUse);
  live.child.kill('SIGTERM');
  expect((await live.done).code).toBe(130);
});

test('the checkpoints of a killed training wait a week for who goes on from them', { timeout: 300_000 }, async () => {
  const project = await checked.project();
  const first = start(project);
  const run = await stageBegun(project.store, 'model');
  while (checkpointsOf(project).length === 0) await delay(10);
  await killed(first);
  const shown = await runJson<RunObject>(['runs', 'show', run, ...project.inStore]);
  const kept = checkpointsOf(project);
  expect(kept).not.toEqual([]);
  await makeOld(join(project.store, 'scratch'), 6);
  await listRuns(project);
  expect(checkpointsOf(project)).toEqual(kept);
  await makeOld(join(project.store, 'scratch'), 8);
  await listRuns(project);
  expect(leftovers(project.store)).toEqual([]);
  expect((await runJson<RunObject>(['runs', 'show', run, ...project.inStore])).stages).toEqual(shown.stages);

  const resumed = await runJson<RunObject>(['runs', 'resume', run, ...project.inStore]);
  expect(resumed.status).toBe('succeeded');
});

test('a note that a kill left half written goes at the next start', async () => {
  const project = await checked.project(50);
  const { child, done } = start(project);
  const { bootId } = currentOwner();
  const place = join(project.store, 'scratch');
  await killed({ child, done });
  await mkdir(place, { recursive: true });
  const torn = join(place, `${'0a'.repeat(16)}.${bootId}.${child.pid}.partial`);
  const living = join(place, `${'0b'.repeat(16)}.${bootId}.${process.pid}.partial`);
  await Promise.all([torn, living].map((path) => writeFile(path, '{"owner"')));
  await listRuns(project);
  expect([torn, living].map(existsSync)).toEqual([false, true]);
  await rm(living);
});
