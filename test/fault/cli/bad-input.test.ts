import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestsOf, type RunObject, runCli, runJson } from '../../support/cli.js';
import { leftovers } from '../../support/run-log.js';
import { emptyProject, type Project, visitorsProject } from '../../support/visitors.js';

interface Failure {
  readonly exitCode: number | null;
  readonly code: string;
  readonly message: string;
}

/** The error of a run that failed: before it began, or in its one failed stage. */
async function failureOf(project: Project, args: readonly string[] = [], env = {}): Promise<Failure> {
  const run = await runJson<
    Partial<RunObject> & { readonly error?: { readonly code: string; readonly message: string } }
  >(['run', join(project.directory, 'pipeline.ts'), ...project.inStore, ...args], { cwd: project.directory, env });
  const error = run.error ?? run.stages!.find((stage) => stage.status === 'failed')!.error!;
  return { exitCode: run.exitCode, code: error.code, message: error.message };
}

describe('bad data', () => {
  let project: Project;
  let good: string;
  let first: RunObject;

  beforeAll(async () => {
    project = await visitorsProject(300);
    good = await project.read('data/visits.csv');
    first = await project.run();
    expect(first.status).toBe('succeeded');
  });

  /** Every case used this one store: afterwards it is whole, and a good run finds all its results. */
  afterAll(async () => {
    const again = await project.run();
    expect([again.status, ...again.stages.map((stage) => stage.status)]).not.toContain('failed');
    expect({ ...digestsOf(again), 'passed.verdict': '' }).toEqual({ ...digestsOf(first), 'passed.verdict': '' });
    expect(leftovers(project.store).filter((name) => !name.startsWith('scratch/'))).toEqual([]);
    await project[Symbol.asyncDispose]();
  });

  const row9 = /\n9,([^,]*),([^,]*),([^,]*),/;
  const bothNotFinite = ['minutes', 'pace']
    .map(
      (column) =>
        `column ${column}: expected finite numbers; received 1 of 300 rows that are NaN or infinite, the first in row 8 (from 0). Filter these rows out, or write NULL where a value is missing.`,
    )
    .join('\n');

  test.each<[title: string, content: (text: string) => string, code: string, message: string]>([
    [
      'an empty file',
      () => '',
      'SOURCE_EMPTY',
      'DATA/bad.csv: expected a file with data; received one of 0 bytes. Check what writes it, or narrow the pattern of visits.',
    ],
    [
      'a file with a header alone',
      (text) => `${text.split('\n')[0]}\n`,
      'DATA_EMPTY',
      'split: expected a dataset with rows; received 0 rows. Look at the SQL that makes it: a filter or a join may drop them all.',
    ],
    [
      'a torn quote',
      (text) => text.replace('\n5,', '\n5,"'),
      'SOURCE_MALFORMED',
      'DATA/bad.csv:6: expected every quoted field to be closed; received a quote that opens on this line and never closes. Close the quote, or double it where it is part of the text.',
    ],
    [
      'a label of one class',
      (text) => text.replaceAll(',true\n', ',false\n'),
      'DATA_SINGLE_CLASS',
      "column bought: expected a label with at least two classes in the train split; received one: 'false'. Look at the SQL that makes the label, or stratify the split by it.",
    ],
    ['NaN in a feature', (text) => text.replace(row9, '\n9,$1,$2,nan,'), 'DATA_NOT_FINITE', bothNotFinite],
    ['infinity in a feature', (text) => text.replace(row9, '\n9,$1,$2,-inf,'), 'DATA_NOT_FINITE', bothNotFinite],
    [
      'a text where a number was',
      (text) => text.replace(row9, '\n9,$1,many,$3,'),
      'DATA_TYPE',
      "DATA/bad.csv:10: expected an int32 in column 'pages'; received a text of 4 characters. Mend the file, name the word in `nulls`, or declare the column as t.string and clean it in SQL.",
    ],
    [
      'one row',
      (text) => text.split('\n').slice(0, 2).join('\n'),
      'SPLIT_EMPTY',
      ['train', 'validation']
        .map(
          (part) =>
            `split.${part}: expected at least one row in ${part}; received 0 of 1 rows (train 0, validation 0, test 1). Change the fractions, the cuts or the column of the split, or give it more rows.`,
        )
        .join('\n'),
    ],
    [
      'a key that comes twice',
      (text) => text.replace('\n9,', '\n8,'),
      'DATA_KEY_NOT_UNIQUE',
      'visits.key: expected rows that differ in visit_id; received 1 of 300 rows that repeat a key. Aggregate or deduplicate in SQL, or name more columns in the key.',
    ],
  ])('is refused: %s', async (_title, content, code, message) => {
    await project.write('data/bad.csv', content(good));
    const text = message.replaceAll('DATA', join(project.directory, 'data'));
    expect(await failureOf(project, ['--param', 'data=data/bad.csv'])).toEqual({ exitCode: 1, code, message: text });
  });

  test('is refused: a missing file, with the nearest name', async () => {
    expect(await failureOf(project, ['--param', 'data=data/visit.csv'])).toEqual({
      exitCode: 1,
      code: 'SOURCE_NOT_FOUND',
      message:
        "visits: expected an existing file; received 'data/visit.csv', which is not there. Did you mean 'data/visits.csv'?",
    });
  });

  test.each<[title: string, from: string, to: string, expected: Failure]>([
    [
      'an unknown column in SQL, with the nearest name',
      'v.pages,',
      'v.page,',
      {
        exitCode: 2,
        code: 'SQL_UNKNOWN_COLUMN',
        message:
          "rows:2:36: expected a column of the tables it reads, such as 'visit_id', 'source', 'pages', 'minutes', 'is_back', 'bought', 'pace'; received 'page'. Did you mean 'pages'?",
      },
    ],
    [
      'no rows after a filter',
      'USING (visit_id)`',
      'USING (visit_id) WHERE v.pages < 0`',
      {
        exitCode: 1,
        code: 'DATA_EMPTY',
        message:
          'split: expected a dataset with rows; received 0 rows. Look at the SQL that makes it: a filter or a join may drop them all.',
      },
    ],
  ])('is refused: %s', async (_title, from, to, expected) => {
    await project.edit('pipeline.ts', from, to);
    const failure = await failureOf(project);
    await project.edit('pipeline.ts', to, from);
    expect(failure).toEqual(expected);
  });

  test('is told on stderr, and the command goes on to say what helps', async () => {
    await project.write('data/bad.csv', good.replace('\n5,', '\n5,"'));
    const { code, stdout, stderr } = await project.runText(['--param', 'data=data/bad.csv']);
    expect(code).toBe(1);
    expect(stdout).toContain('failed');
    expect(stderr).toContain(`${join(project.directory, 'data/bad.csv')}:6: expected every quoted field to be closed;`);
    expect(stderr.trimEnd().split('\n').at(-1)).toBe(
      'Mend the data or the pipeline and run it again: what finished is found again.',
    );
  });
});

describe('a bad pipeline file', () => {
  let project: Project;

  beforeAll(async () => {
    project = await emptyProject();
  });
  afterAll(() => project[Symbol.asyncDispose]());

  const imports = `import { custom, definePipeline, parquet, sql } from 'millrace';
import { t } from 'millrace/types';
import { tableFromArrays } from 'apache-arrow';
import { z } from 'zod';
`;
  const plain = (body: string, more = ''): string =>
    `${imports}${more}export default definePipeline({ name: 'plain', params: z.object({ maxEpochs: z.int().default(3) }), build: () => { ${body} } });\n`;
  const withCustom = (run: string): string =>
    plain(
      `const rows = sql\`SELECT i AS a FROM range(3) r(i)\`.as({ a: t.int64 });
       return { out: custom(run, { inputs: { rows }, columns: { a: t.int64 } }) };`,
      `${run}\n`,
    );
  const ok = plain('return { rows: sql`SELECT 1 AS a`.as({ a: t.int64 }) };');

  test.each<[title: string, content: string, expected: Failure]>([
    [
      'throws',
      plain("throw new Error('the cat is out');"),
      {
        exitCode: 2,
        code: 'PIPELINE_THROWS',
        message:
          'pipeline.ts: expected a pipeline file that evaluates; received an error it threw in pipeline.ts at `throw new Error("the cat is out");` (Error: the cat is out). Mend it and run again.',
      },
    ],
    [
      'never returns',
      plain('for (;;);'),
      {
        exitCode: 2,
        code: 'PIPELINE_TIMEOUT',
        message:
          'pipeline.ts: expected a build that returns within 4 s; received none that did. Look for an endless loop or a wait at the top level or in build(): they describe stages and run none.',
      },
    ],
    [
      'does not compile',
      'export default {\n  name: ;\n};\n',
      {
        exitCode: 2,
        code: 'PIPELINE_DOES_NOT_COMPILE',
        message:
          'pipeline.ts: expected TypeScript that compiles; received pipeline.ts:2:9: Unexpected ";". Mend it and run again.',
      },
    ],
    [
      'imports what is not there',
      "import { a } from './nowhere.js';\nexport default a;\n",
      {
        exitCode: 2,
        code: 'PIPELINE_DOES_NOT_COMPILE',
        message:
          'pipeline.ts: expected TypeScript that compiles; received pipeline.ts:1:19: Could not resolve "./nowhere.js". Mend it and run again.',
      },
    ],
    [
      'has no default export',
      'export const a = 1;\n',
      {
        exitCode: 2,
        code: 'PIPELINE_INVALID',
        message:
          'pipeline.ts: expected a default export that definePipeline returned; received no default export. Write export default definePipeline({ … }).',
      },
    ],
    [
      'ends the process',
      'process.exit(7);\n',
      {
        exitCode: 2,
        code: 'PIPELINE_THROWS',
        message:
          'pipeline.ts: expected a pipeline file that evaluates; received a compiler that ended with exit code 7. Remove process.exit() and the like from it.',
      },
    ],
    [
      'reads a corrupt Parquet file',
      plain("return { rows: parquet('data/broken.parquet').as({ a: t.int64 }) };"),
      {
        exitCode: 1,
        code: 'SOURCE_MALFORMED',
        message:
          'DATA/broken.parquet: expected a whole Parquet file; received one that cannot be read: Footer length error. Write the file again from its source.',
      },
    ],
    [
      'has a custom stage that throws',
      withCustom("export function* run() { throw new RangeError('no such luck'); }"),
      {
        exitCode: 1,
        code: 'CUSTOM_THROWS',
        message:
          'out: expected a function that returns; received an error it threw (RangeError: no such luck). Its stack is in the details.',
      },
    ],
    [
      'has a custom stage that no module exports',
      withCustom('function* run() { yield* []; }'),
      {
        exitCode: 2,
        code: 'CUSTOM_NOT_EXPORTED',
        message:
          "out: expected a function that a module exports; received 'run', which no module exports. Move it into a file of its own and export it: its code is bundled alone.",
      },
    ],
    [
      'has a custom stage that returns another type',
      withCustom("export function* run() { yield* tableFromArrays({ a: ['x', 'y'] }).batches; }"),
      {
        exitCode: 1,
        code: 'DATA_TYPE',
        message:
          'out.columns.a: expected int64 in every row; received 2 of 2 rows whose string is not one. Clean the column in SQL, or declare it as it is.',
      },
    ],
    [
      'has a custom stage whose batches differ',
      withCustom(
        'export function* run() { yield* tableFromArrays({ a: Float64Array.of(1) }).batches; yield* tableFromArrays({ b: Int32Array.of(1) }).batches; }',
      ),
      {
        exitCode: 1,
        code: 'DATA_TYPE',
        message:
          'out: expected batches of one schema (a Float64); received one of another (b Int32). Yield the same columns, of the same types and in the same order, every time.',
      },
    ],
    [
      'has a custom stage that yields no batches',
      withCustom('export function* run(): any { yield { a: 1 }; }'),
      {
        exitCode: 1,
        code: 'DATA_TYPE',
        message:
          "out: expected a generator function that yields Arrow record batches; received a yielded Object. Write export async function* …, and yield the batches of tables from 'apache-arrow'.",
      },
    ],
    [
      'has a custom stage that is no generator',
      withCustom('export function run(): any { return 7; }'),
      {
        exitCode: 1,
        code: 'DATA_TYPE',
        message:
          "out: expected a generator function that yields Arrow record batches; received a returned number. Write export async function* …, and yield the batches of tables from 'apache-arrow'.",
      },
    ],
    [
      'has a custom stage that ends its process',
      withCustom('export function* run(): any { process.exit(0); }'),
      {
        exitCode: 1,
        code: 'CHILD_DIED',
        message:
          'out: expected a child process that answers; received exit code 0. Remove process.exit() from the function.',
      },
    ],
  ])('is refused where it %s', async (_title, content, expected) => {
    await project.write('data/broken.parquet', 'PAR1 no Parquet at all PAR1');
    await project.write('pipeline.ts', content);
    const message = expected.message.replace('DATA', join(project.directory, 'data'));
    const env = expected.code === 'PIPELINE_TIMEOUT' ? { MILLRACE_COMPILE_TIMEOUT_MS: '4000' } : {};
    expect(await failureOf(project, [], env)).toEqual({ ...expected, message });
  });

  test.each([
    [
      'maxEpoch=3',
      "params.maxEpoch: expected one of the keys maxEpochs; received 'maxEpoch'. Did you mean 'maxEpochs'?",
    ],
    ['maxEpochs=many', "params.maxEpochs: expected a finite number; received 'many'."],
    ['maxEpochs=2.5', 'params.maxEpochs: expected an integer; received 2.5.'],
    ['maxEpochs', "--param: expected name=value; received 'maxEpochs'."],
    [
      'maxEpochs=2 --param maxEpochs=3',
      "--param: expected each parameter once; received 'maxEpochs' again. Remove one of them.",
    ],
    ['__proto__=3', "params.__proto__: expected one of the keys maxEpochs; received '__proto__'. Remove it."],
  ])('refuses --param %s', async (param, message) => {
    await project.write('pipeline.ts', ok);
    expect(await failureOf(project, ['--param', ...param.split(' ')])).toEqual({
      exitCode: 2,
      code: 'PARAMS_INVALID',
      message,
    });
  });

  test('is refused where it is not there, with the nearest name', async () => {
    await project.write('pipeline.ts', ok);
    const { code, stderr } = await project.runText([], { file: 'pipelin.ts' });
    expect(code).toBe(2);
    expect(stderr).toBe(
      `${join(project.directory, 'pipelin.ts')}: expected a pipeline file; received no such file. Did you mean '${join(project.directory, 'pipeline.ts')}'?\n`,
    );
  });

  test.each([
    ['folder', "folder: expected a pipeline file; received a directory. Did you mean 'folder/churn.pipeline.ts'?"],
    [
      'data',
      'data: expected a pipeline file; received a directory. Name the file itself, or make one with millrace init.',
    ],
    [
      'folder/rows.csv',
      "folder/rows.csv: expected a pipeline file in TypeScript or JavaScript (.ts, .mts, .js …); received a file that ends in '.csv'. Name the file that exports the pipeline: data is read by its csv(…), parquet(…) and the like.",
    ],
    [
      'folder/rows',
      'folder/rows: expected a pipeline file in TypeScript or JavaScript (.ts, .mts, .js …); received a file without an ending. Name the file that exports the pipeline: data is read by its csv(…), parquet(…) and the like.',
    ],
    [
      'folder/chrn.pipeline.ts',
      "folder/chrn.pipeline.ts: expected a pipeline file; received no such file. Did you mean 'folder/churn.pipeline.ts'?",
    ],
  ])('is refused where %s is named in its place', async (file, message) => {
    await mkdir(join(project.directory, 'folder'), { recursive: true });
    await project.write('folder/churn.pipeline.ts', ok);
    await project.write('folder/rows.csv', 'a\n1\n');
    await project.write('folder/rows', 'a\n1\n');
    await project.write('data/rows.csv', 'a\n1\n');
    const result = await runCli(['run', file, ...project.inStore], { cwd: project.directory });
    expect({ code: result.code, stderr: result.stderr }).toEqual({ code: 2, stderr: `${message}\n` });
  });

  test.each([
    [
      'SELECT a FROM (SELECT a FROM range(3) r(a)) WHERE\n  a > 1 AND b < 2',
      [
        "rows/from:2:13: expected a column of the tables it reads, such as 'a'; received 'b'. Did you mean 'a'?",
        '  a > 1 AND b < 2',
        '            ^',
      ],
    ],
    [
      'SELECT a FROM range(3) r(a) WHERE a > AND 1',
      [
        'rows/from:1:39: expected one SELECT statement; received syntax error at or near "AND".',
        '  SELECT a FROM range(3) r(a) WHERE a > AND 1',
        '                                        ^',
      ],
    ],
  ])('shows the line of SQL that is wrong, with a caret, also where the stage has no name: %j', async (text, lines) => {
    await project.write(
      'pipeline.ts',
      plain(`const unnamed = sql\`${text}\`; return { rows: sql\`SELECT a FROM \${unnamed}\`.as({ a: t.int64 }) };`),
    );
    const { code, stderr } = await project.runText([]);
    // What is slow on a busy machine is told, too.
    const told = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('  …'));
    expect({ code, told }).toEqual({ code: 2, told: lines });
  });

  test('prints to stderr alone what user code prints, and leaves a store that good runs use', async () => {
    await project.write(
      'pipeline.ts',
      withCustom(
        "console.log('while building'); export async function* run() { console.log('while running'); yield* tableFromArrays({ a: BigInt64Array.of(7n) }).batches; }",
      ),
    );
    const { code, stdout, stderr } = await project.runText(['--json']);
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as RunObject).status).toBe('succeeded');
    expect(stderr).toContain('while building\n');
    expect(stderr).toContain('while running\n');
    expect(leftovers(project.store).filter((name) => !name.startsWith('scratch/'))).toEqual([]);
  });
});
