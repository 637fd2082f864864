import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type RunEvent, runPipeline } from '../../../workflows/run.js';
import { emptyProject, visitorsProject } from '../../support/visitors.js';

test('runs of one process on one store compute at most two SQL stages at once', async () => {
  await using project = await emptyProject();
  const turns = join(project.directory, 'turns.txt');
  await project.write('data/rows.csv', 'id\n1\n2\n');
  await project.write(
    'turn.ts',
    `import { appendFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
export async function* turn({ inputs, options }) {
  appendFileSync(options.turns, 'begin\\n');
  await delay(700);
  for await (const batch of inputs.rows) yield batch;
  appendFileSync(options.turns, 'end\\n');
}
`,
  );
  await project.write(
    'pipeline.ts',
    `import { csv, custom, definePipeline } from 'millrace';
import { t } from 'millrace/types';
import { z } from 'zod';
import { turn } from './turn.js';
export default definePipeline({
  name: 'turns',
  params: z.object({ number: z.int(), turns: z.string() }),
  build: ({ params }) => {
    const rows = csv('data/rows.csv', { columns: { id: t.int64 }, key: 'id' });
    return { rows, turned: custom(turn, { inputs: { rows }, columns: { id: t.int64 }, key: 'id', options: params }) };
  },
});
`,
  );
  const run = (number: number): ReturnType<typeof runPipeline> =>
    runPipeline(join(project.directory, 'pipeline.ts'), { params: { number, turns }, store: project.store });
  const results = await Promise.all([1, 2, 3, 4].map(run));
  expect(results.map((result) => result.status)).toEqual(['succeeded', 'succeeded', 'succeeded', 'succeeded']);
  const lines = (await readFile(turns, 'utf8')).trim().split('\n');
  let active = 0;
  const counts = lines.map((line) => {
    active += line === 'begin' ? 1 : -1;
    return active;
  });
  expect(lines).toHaveLength(8);
  expect(Math.max(...counts)).toBe(2);
});

test('runs of one process on one store train one after the other', async () => {
  await using project = await visitorsProject(300);
  const turns: number[] = [];
  const run = (number: number): ReturnType<typeof runPipeline> =>
    runPipeline(join(project.directory, 'pipeline.ts'), {
      params: { learningRate: number / 100, maxEpochs: 40 },
      store: project.store,
      onEvent: (event: RunEvent) => {
        if ((event.kind === 'stageStarted' || event.kind === 'stageProgress') && event.stage === 'model')
          turns.push(number);
      },
    });
  const results = await Promise.all([1, 2].map(run));
  expect(results.map((result) => result.stages.find((stage) => stage.stage === 'model')!.status)).toEqual([
    'succeeded',
    'succeeded',
  ]);
  // Each one's events stand together: the other began after its last.
  expect(turns.filter((number, index) => number !== turns[index - 1])).toHaveLength(2);
  expect(turns.length).toBeGreaterThan(2);
});
