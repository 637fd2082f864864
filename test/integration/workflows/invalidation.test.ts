import { spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestsOf, type RunObject, repository } from '../../support/cli.js';
import { type Project, ranStages, visitorsProject } from '../../support/visitors.js';

const fromModelOn = ['model', 'onnx', 'report'];
const fromRowsOn = ['rows', 'model/statistics', 'model/feed', ...fromModelOn];

/** All digests but the verdict's: a gate that finds its candidate as the champion says so. */
function resultsOf(run: RunObject): Record<string, string> {
  const { 'passed.verdict': _verdict, ...digests } = digestsOf(run);
  return digests;
}

/** Each test edits the project, runs it, and takes its edit back; the store remembers what ran before. */
describe('a change runs again', () => {
  let project: Project;
  let first: RunObject;

  beforeAll(async () => {
    project = await visitorsProject(300);
    first = await project.run();
    expect(first.status).toBe('succeeded');
    expect(ranStages(first)).toEqual(['visits', 'paces', ...fromRowsOn]);
  });
  afterAll(() => project[Symbol.asyncDispose]());

  async function afterEdits(edits: readonly (readonly [file: string, from: string, to: string])[]): Promise<RunObject> {
    const before = new Map<string, string>();
    for (const [file, from, to] of edits) {
      if (!before.has(file)) before.set(file, await project.read(file));
      await project.edit(file, from, to);
    }
    const run = await project.run();
    for (const [file, text] of before) await project.write(file, text);
    return run;
  }

  test('nothing, where nothing changed: every stage is cached, fused or unchanged', async () => {
    const again = await project.run();
    expect([...new Set(again.stages.map((stage) => stage.status))].sort()).toEqual(['cached', 'fused', 'unchanged']);
    expect(resultsOf(again)).toEqual(resultsOf(first));
  });

  test('nothing, where dates of files change, and comments in pipeline, helper and SQL, and its layout', async () => {
    for (const file of ['pipeline.ts', 'pace.ts', 'minutes-per-page.ts', 'data/visits.csv'])
      await utimes(join(project.directory, file), new Date(), new Date(Date.now() - 86_400_000));
    const again = await afterEdits([
      ['pipeline.ts', '/** Will a visitor buy?', '// A comment.\n/** Whether a visitor will buy?'],
      ['minutes-per-page.ts', '  return', '  // One more, so that nothing is divided by zero.\n  return'],
      [
        'pipeline.ts',
        'SELECT v.visit_id, v.source,',
        '-- what is known\nSELECT /* the key */ v.visit_id,\n\n  v.source,',
      ],
    ]);
    expect(ranStages(again)).toEqual([]);
    expect(resultsOf(again)).toEqual(resultsOf(first));
  });

  test('the custom stage and all behind it, where one character of its imported helper changes', async () => {
    const run = await afterEdits([['minutes-per-page.ts', 'pages + 1', 'pages + 2']]);
    expect(ranStages(run)).toEqual(['paces', ...fromRowsOn]);
  });

  test('the custom stage alone, where its code changes and its rows do not', async () => {
    const run = await afterEdits([['minutes-per-page.ts', 'pages + 1', '1 + pages']]);
    expect(ranStages(run)).toEqual(['paces']);
  });

  test('the model and what is behind it, where a training option changes', async () => {
    const run = await afterEdits([['pipeline.ts', 'batchSize: 32', 'batchSize: 64']]);
    expect(ranStages(run)).toEqual(fromModelOn);
  });

  test('everything, where one input row changes', async () => {
    const run = await afterEdits([['data/visits.csv', '\n7,', '\n100007,']]);
    expect(ranStages(run)).toEqual(['visits', 'paces', ...fromRowsOn]);
  });

  test('no statistics, feed or training, where the dataset gains a column that nobody reads', async () => {
    const run = await afterEdits([
      ['pipeline.ts', 'p.pace, v.bought', 'p.pace, v.bought, v.pages % 2 = 0 AS is_even'],
      [
        'pipeline.ts',
        'pace: t.float64,\n        bought: t.bool,',
        'pace: t.float64,\n        bought: t.bool,\n        is_even: t.bool,',
      ],
    ]);
    expect(ranStages(run)).toEqual(['rows']);
    expect(digestsOf(run)['onnx.onnx']).toBe(digestsOf(first)['onnx.onnx']);
  });

  describe('where the code of Millrace itself changed,', () => {
    let copy: string;

    beforeAll(async () => {
      copy = await mkdtemp(join(tmpdir(), 'millrace-copy-'));
      for (const folder of ['cli', 'connectors', 'native', 'operators', 'pipelines', 'scripts', 'serving', 'workflows'])
        await cp(join(repository, folder), join(copy, folder), { recursive: true });
      for (const file of ['package.json', 'package-lock.json', 'tsconfig.json'])
        await cp(join(repository, file), join(copy, file));
      await symlink(join(repository, 'node_modules'), join(copy, 'node_modules'));
      await cp(join(repository, 'build'), join(copy, 'build'), { recursive: true });
    });
    afterAll(() => rm(copy, { recursive: true, force: true }));

    /** Runs the project with the command that the edited sources build to. */
    async function afterOwnEdit(file: string, from: string, to: string): Promise<RunObject> {
      const before = await readFile(join(copy, file), 'utf8');
      expect(before.split(from)).toHaveLength(2);
      await writeFile(
        join(copy, file),
        before.replace(from, () => to),
      );
      const built = spawnSync(process.execPath, ['scripts/build.mjs'], { cwd: copy, encoding: 'utf8' });
      expect(built.stderr).toBe('');
      await writeFile(join(copy, file), before);
      return project.run([], { entry: join(copy, 'dist/cli/main.js') });
    }

    test('nothing for a comment in an operator', async () => {
      const run = await afterOwnEdit(
        'operators/evaluate/evaluate-operator.ts',
        'const CURVE_POINTS',
        '// A remark.\nconst CURVE_POINTS',
      );
      expect(ranStages(run)).toEqual([]);
    });

    test('the stages of the operator that changed', async () => {
      const run = await afterOwnEdit(
        'operators/evaluate/evaluate-operator.ts',
        'CURVE_POINTS = 200',
        'CURVE_POINTS = 100',
      );
      expect(ranStages(run)).toEqual(['report']);
    });

    test('the stages whose connector changed, and not those that use another one', async () => {
      const run = await afterOwnEdit('connectors/duckdb/duckdb-session.ts', 'COMPRESSION zstd', 'COMPRESSION ZSTD');
      expect(ranStages(run)).toEqual(['visits', 'paces', 'rows', 'model/statistics', 'model/feed', 'onnx', 'report']);
    });

    test('the stages of native code, where it was built from other sources', async () => {
      const stamp = join(copy, 'build/millrace.json');
      const before = await readFile(stamp, 'utf8');
      await writeFile(stamp, JSON.stringify({ ...(JSON.parse(before) as object), stamp: 'f'.repeat(64) }));
      const run = await afterOwnEdit('operators/evaluate/measure.ts', '\n/** Values', '\n// A remark.\n/** Values');
      await writeFile(stamp, before);
      expect(ranStages(run)).toEqual(['model/feed', 'model', 'onnx', 'report']);
    });
  });
});

test('a change in a linked package reruns the custom stage that imports it and what is behind it; a comment there does not', async () => {
  await using project = await visitorsProject(300);
  const shared = join(project.directory, '..', 'shared');
  await mkdir(join(shared, 'src'), { recursive: true });
  await mkdir(join(project.directory, 'node_modules/@acme'), { recursive: true });
  await symlink(shared, join(project.directory, 'node_modules/@acme/shared'));
  const manifest = { name: '@acme/shared', version: '1.0.0', type: 'module', exports: { '.': './src/index.ts' } };
  await project.write('../shared/package.json', JSON.stringify(manifest));
  await project.write('../shared/src/index.ts', await project.read('minutes-per-page.ts'));
  await project.edit('pace.ts', "'./minutes-per-page.js'", "'@acme/shared'");
  expect((await project.run()).status).toBe('succeeded');
  await project.edit('../shared/src/index.ts', '  return', '  // What follows is a ratio.\n  return');
  expect(ranStages(await project.run())).toEqual([]);
  await project.edit('../shared/src/index.ts', 'pages + 1', 'pages + 2');
  expect(ranStages(await project.run())).toEqual(['paces', ...fromRowsOn]);
});
