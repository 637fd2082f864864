import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { open, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Pipeline } from '../../../pipelines/define/pipeline.js';
import { csv, definePipeline } from '../../../pipelines/index.js';
import { compilePlan } from '../../../pipelines/plan/compile.js';
import { checkPlan } from '../../../workflows/check/check-plan.js';
import { openServices, type Services } from '../../../workflows/services.js';
import { startCli } from '../../support/cli.js';
import { checkedAfterEach, violationsOf } from '../../support/invariants.js';
import { openFiles } from '../../support/processes.js';
import { recordedRuns } from '../../support/run-log.js';
import { emptyProject, type Project } from '../../support/visitors.js';

/** A file of so many bytes that reading it outlives the test, and that takes no room on the disk. */
async function writeEndless(path: string): Promise<void> {
  const file = await open(path, 'w');
  await file.truncate(2 ** 40);
  await file.close();
}

describe('a cancellation', () => {
  let project: Project;
  let services: Services;
  beforeAll(async () => {
    project = await emptyProject();
    services = await openServices({ directory: project.store, threads: 1, memoryLimitMb: 512 });
  });
  afterAll(async () => {
    await services[Symbol.asyncDispose]();
    expect(await violationsOf(project.store)).toEqual([]);
    await project[Symbol.asyncDispose]();
  });

  test('reaches the hashing of a source file', async () => {
    const file = join(project.directory, 'data/endless.parquet');
    await writeEndless(file);
    const controller = new AbortController();
    const hashing = services.sources(project.directory, 'data/endless.parquet', 'rows', controller.signal);
    setTimeout(() => controller.abort(), 100);
    await expect(hashing).rejects.toMatchObject({
      code: 'CANCELLED',
      message: `${file}: expected to run to its end; received a cancellation.`,
    });
  });

  test('reaches the statements that describe a source', async () => {
    const file = join(project.directory, 'data/long.csv');
    const stream = createWriteStream(file);
    const lines = Array.from({ length: 20_000 }, (_, row) => `${row},${row / 7},2026-01-01 00:00:00,text ${row}\n`);
    stream.write('a,b,c,d\n');
    for (let times = 0; times < 100; times++) {
      if (!stream.write(lines.join(''))) await once(stream, 'drain');
    }
    stream.end();
    await finished(stream);
    await utimes(file, 1_700_000_000, 1_700_000_000);
    // Remembered by its state, so that nothing but describing is left to cancel.
    await services.sources(project.directory, 'data/long.csv', 'rows', new AbortController().signal);
    const pipeline = definePipeline({ name: 'long', build: () => ({ rows: csv('data/long.csv') }) });
    const plan = compilePlan(pipeline as unknown as Pipeline, {}, () => null);
    const controller = new AbortController();
    const checking = checkPlan(services, plan, project.directory, controller.signal);
    setTimeout(() => controller.abort(), 100);
    await expect(checking).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

describe('Ctrl-C', () => {
  const checked = checkedAfterEach();

  test('ends a command that hashes a source file, before a run begins', async () => {
    const project = await checked.emptyProject();
    await writeEndless(join(project.directory, 'data/endless.parquet'));
    await project.write(
      'pipeline.ts',
      "import { definePipeline, parquet } from 'millrace';\nexport default definePipeline({ name: 'endless', build: () => ({ rows: parquet('data/endless.parquet') }) });\n",
    );
    const { child, done } = startCli(['run', join(project.directory, 'pipeline.ts'), ...project.inStore]);
    while (!openFiles(child.pid!).some((file) => file.endsWith('endless.parquet'))) await delay(20);
    child.kill('SIGINT');
    const { code, stderr } = await done;
    expect({ code, stderr }).toEqual({
      code: 130,
      stderr:
        '\nCancelling: what finished stays. Press Ctrl-C again to stop at once.\n' +
        `${join(project.directory, 'data/endless.parquet')}: expected to run to its end; received a cancellation.\n`,
    });
    expect(recordedRuns(project.store)).toEqual([]);
  });
});
