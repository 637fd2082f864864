import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { definePipeline, sql } from 'millrace';
import { t } from 'millrace/types';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { eventLogger } from '../../../cli/event-logger.js';
import { RunProgress } from '../../../cli/render/progress.js';
import { defineOperator } from '../../../pipelines/contracts/operator.js';
import type { Pipeline } from '../../../pipelines/define/pipeline.js';
import { compilePlan } from '../../../pipelines/plan/compile.js';
import type { Plan } from '../../../pipelines/plan/schema.js';
import { writePlan } from '../../../workflows/bundle/prepare-pipeline.js';
import { startRun } from '../../../workflows/embedded/run-plan.js';
import type { RunEvent } from '../../../workflows/run.js';
import { openServices, type Services } from '../../../workflows/services.js';
import { emptyProject } from '../../support/visitors.js';

const count = 3;

/** Spawns instances of a plan and keeps what each of them left. */
const trials = defineOperator<{ readonly template: string }>({
  name: 'trials',
  class: 'pure',
  options: z.strictObject({ template: z.string() }),
  outputs: {},
  weight: 'light',
  engines: [],
  async run({ children }, { options }) {
    if (children.length === 0)
      return { outputs: [], summary: null, spawn: { kind: 'template', template: options.template, count } };
    return {
      outputs: [],
      summary: children.map((child) => ({ status: child.status, rows: child.outputs['rows']![0]!.digest })),
    };
  },
});

function withTrials(services: Services): Services {
  return {
    ...services,
    operators: { ...services.operators, trials },
    keyEnvironment: {
      ...services.keyEnvironment,
      operatorDigest: (name) => (name === 'trials' ? 'of this test' : services.keyEnvironment.operatorDigest(name)),
    },
  };
}

test('nested runs log under their own ids, and are shown below the stage that spawned them', async () => {
  await using project = await emptyProject();
  await using opened = await openServices({ directory: project.store, threads: 1, memoryLimitMb: 512 });
  const services = withTrials(opened);
  const nested = definePipeline({
    name: 'trial',
    build: () => ({
      // A template's instance has its number here.
      rows: sql`SELECT CAST(${'$index'} AS BIGINT) AS i`.as({ i: t.int64 }, { key: 'i' }),
    }),
  });
  const template = await writePlan(
    services,
    compilePlan(nested as unknown as Pipeline, {}, () => null),
  );
  const plan: Plan = {
    formatVersion: 1,
    pipeline: 'outer',
    params: {},
    stages: [
      { id: 'trials', operator: 'trials', class: 'pure', inputs: {}, options: { template }, fused: false, after: [] },
    ],
  };
  const stream = new PassThrough();
  const progress = new RunProgress(stream as unknown as NodeJS.WriteStream);
  const log = eventLogger(services.directory);
  const events: RunEvent[] = [];
  const result = await startRun(
    services,
    { plan, digest: await writePlan(services, plan) },
    {
      root: project.directory,
      bundle: null,
      useCache: true,
      from: null,
      signal: new AbortController().signal,
      onEvent: (event) => {
        events.push(event);
        log(event);
        progress.onEvent(event);
      },
    },
  );
  expect(result.status).toBe('succeeded');
  const children = [...(await services.metadata.runs({ parent: result.run, limit: 10 }))].reverse();
  expect(children.map((child) => child.parent)).toEqual(Array(count).fill({ run: result.run, stage: 'trials' }));

  const begun = events.filter((event) => event.kind === 'run');
  expect(begun.map((event) => event.parent?.index ?? null).sort()).toEqual([0, 1, 2, null]);
  for (const { run, parent } of begun) {
    const own = events.filter((event) => event.run === run).map((event) => event.kind);
    expect(own).toEqual(
      parent === null
        ? ['run', 'stageStarted', 'stageStarted', 'stageFinished']
        : ['run', 'stageStarted', 'stageFinished'],
    );
    const lines = (await readFile(join(project.store, 'records', run, 'run.log'), 'utf8')).trim().split('\n');
    const logged = lines.map((line) => JSON.parse(line) as { kind: string; run: string; stage?: string });
    expect(logged.filter((line) => line.run === run).map((line) => line.kind)).toEqual(own);
    expect(logged.filter((line) => line.run !== run).map(({ kind, stage }) => ({ kind, stage }))).toEqual(
      parent === null ? Array(count).fill({ kind: 'run', stage: 'trials' }) : [],
    );
  }

  stream.end();
  const shown = stripVTControlCharacters((await stream.toArray()).join('')).split('\n');
  for (let index = 0; index < count; index++) {
    const child = begun.find((event) => event.parent?.index === index)!;
    expect(shown).toContainEqual(expect.stringContaining(`trials[${index}]  run ${child.run} of trial`));
    expect(shown).toContainEqual(expect.stringContaining(`trials[${index}]/rows  succeeded`));
  }
  expect(shown.filter((line) => line.includes('outer run'))).toHaveLength(1);

  // Its instances are runs of their own: what they computed is found again.
  const again = await startRun(
    services,
    { plan, digest: await writePlan(services, plan) },
    {
      root: project.directory,
      bundle: null,
      useCache: false,
      from: null,
      signal: new AbortController().signal,
      onEvent: () => {},
    },
  );
  expect(again.stages[0]!.summary).toEqual(result.stages[0]!.summary);
});
