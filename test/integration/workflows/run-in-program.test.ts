import { join } from 'node:path';
import { definePipeline, sql } from 'millrace';
import { runPipeline } from 'millrace/run';
import { testPipeline } from 'millrace/testing';
import { t } from 'millrace/types';
import { expect, test } from 'vitest';
import { emptyProject, visitorsProject } from '../../support/visitors.js';

test('a pipeline value runs in a program, and its second run computes nothing', async () => {
  await using project = await emptyProject();
  const pipeline = definePipeline({
    name: 'numbers',
    build: () => ({ numbers: sql`SELECT i::BIGINT AS i FROM range(5) r(i)`.as({ i: t.int64 }, { key: 'i' }) }),
  });
  const options = { store: project.store, root: project.directory };
  const first = await runPipeline(pipeline, options);
  const second = await runPipeline(pipeline, options);
  expect([first.status, first.stages[0]!.status, second.stages[0]!.status]).toEqual([
    'succeeded',
    'succeeded',
    'cached',
  ]);
  expect(second.stages[0]!.outputs).toEqual(first.stages[0]!.outputs);
});

test('a pipeline file runs in a throw-away store, and its model answers in the same process', async () => {
  await using project = await visitorsProject(300);
  await using run = await testPipeline(join(project.directory, 'pipeline.ts'), { params: { maxEpochs: 2 } });
  expect(run.result.status).toBe('succeeded');
  await using model = await run.load('visitors@champion');
  const row = { source: 'search', pages: 3, minutes: 2.5, is_back: true, pace: 0.8 };
  const [answer] = await model.predict([row]);
  expect(answer).toMatchObject({ probability: expect.any(Number) });
});
