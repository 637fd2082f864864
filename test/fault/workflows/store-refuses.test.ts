import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'libsql';
import { definePipeline, sql } from 'millrace';
import { type RunEvent, runPipeline } from 'millrace/run';
import { t } from 'millrace/types';
import { expect, test } from 'vitest';
import { type RunObject, runCli, runJson, startCli } from '../../support/cli.js';
import { stageBegun } from '../../support/run-log.js';
import { emptyProject, visitorsProject } from '../../support/visitors.js';

/** Changes the metadata behind a run's back. */
function tamper(store: string, statements: string): void {
  const database = new Database(join(store, 'metadata.sqlite'));
  try {
    database.exec('PRAGMA busy_timeout = 5000');
    database.exec(statements);
  } finally {
    database.close();
  }
}

test('a store that refuses a run’s end does not hide why the run failed', async () => {
  await using project = await emptyProject();
  const pipeline = definePipeline({
    name: 'numbers',
    build: () => ({ numbers: sql`SELECT i::BIGINT AS i FROM range(5) r(i)`.as({ i: t.int64 }, { key: 'i' }) }),
  });
  const refuse = (event: RunEvent): void => {
    if (event.kind !== 'stageStarted') return;
    tamper(
      project.store,
      `CREATE TRIGGER first BEFORE INSERT ON stages BEGIN SELECT RAISE(ABORT, 'the first refusal'); END;
       CREATE TRIGGER second BEFORE UPDATE ON runs BEGIN SELECT RAISE(ABORT, 'the second refusal'); END;`,
    );
  };
  const running = runPipeline(pipeline, { store: project.store, root: project.directory, onEvent: refuse });
  await expect(running).rejects.toThrow('the first refusal');
});

test('a run whose lease went to another process ends as an error, and leaves its status to the other', async () => {
  await using project = await visitorsProject(300);
  const { done } = startCli([
    ...['run', join(project.directory, 'pipeline.ts'), '--param', 'maxEpochs=100000', ...project.inStore],
  ]);
  const run = await stageBegun(project.store, 'model');
  tamper(project.store, `UPDATE leases SET token = 'of another' WHERE key = 'run/${run}'`);
  const { code, stderr } = await done;
  expect(code).toBe(1);
  expect(stderr).toContain(
    `${run}: expected to keep the lease of the run while it goes on; received a lease that was lost: this process stood still for longer than it lasts. Go on with millrace runs resume ${run}.\n`,
  );
  const database = new Database(join(project.store, 'metadata.sqlite'));
  const found = database.prepare('SELECT status FROM runs').all();
  database.close();
  expect(found).toEqual([{ status: 'running' }]);
});

test('event logs that cannot be written end no training, and are told of', async () => {
  await using project = await visitorsProject(300);
  const messages: string[] = [];
  let run = '';
  const begun: Promise<unknown>[] = [];
  const result = await runPipeline(join(project.directory, 'pipeline.ts'), {
    store: project.store,
    onEvent: (event) => {
      if (event.kind === 'run') run = event.run;
      if (event.kind === 'stageLog' && event.stage === 'model') messages.push(event.message);
      // Long before the model: where its logs are to be, there are files.
      if (event.kind !== 'run') return;
      const records = join(project.store, 'records', run, 'model');
      begun.push(
        mkdir(records, { recursive: true }).then(() =>
          Promise.all(['train', 'validation'].map((split) => writeFile(join(records, split), ''))),
        ),
      );
    },
  });
  await Promise.all(begun);
  expect(result.status).toBe('succeeded');
  expect(messages).toEqual(
    ['train', 'validation'].map((split) =>
      expect.stringMatching(new RegExp(`^the event log of the ${split} split is not whole: `)),
    ),
  );
});

test('a stage that gives another result under its key keeps the first one and says so', async () => {
  await using project = await visitorsProject(50);
  await project.edit('minutes-per-page.ts', '/ (pages + 1)', '* Math.random()');
  const first = await project.run();
  const again = await project.run(['--no-cache']);
  const paces = (run: RunObject) => run.stages.find((stage) => stage.id === 'paces');
  expect(paces(again)).toMatchObject({ status: 'succeeded', key: paces(first)!.key, outputs: paces(first)!.outputs });
  const { stdout } = await runCli(['runs', 'show', again.run, '--why', ...project.inStore]);
  expect(stdout).toMatch(
    /paces +miss: asked for by --no-cache; nondeterministic: the same key gave another result \(dataset [0-9a-f]{12}\); the first one stays/,
  );
  const shown = await runJson<{ readonly stages: readonly { readonly id: string }[] }>([
    ...['runs', 'show', again.run, '--why', ...project.inStore],
  ]);
  expect(JSON.stringify(shown)).toContain('nondeterministic');
});
