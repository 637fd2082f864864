import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { repository, runCli, runJson, startCli, temporaryDirectory } from '../../support/cli.js';
import { stageBegun } from '../../support/run-log.js';
import { type Project, visitorsProject } from '../../support/visitors.js';

let project: Project;
let run: string;
beforeAll(async () => {
  project = await visitorsProject(300);
  const first = await project.run();
  expect(first.status).toBe('succeeded');
  run = first.run;
});
afterAll(() => project[Symbol.asyncDispose]());

describe('millrace doctor', () => {
  interface Findings {
    readonly findings: readonly {
      readonly name: string;
      readonly ok: boolean;
      readonly found: string;
      readonly mend: string | null;
    }[];
  }

  test('finds all that training needs, with versions', async () => {
    const { exitCode, findings } = await runJson<Findings>(['doctor', ...project.inStore]);
    expect({ exitCode, missing: findings.filter((one) => !one.ok) }).toEqual({ exitCode: 0, missing: [] });
    expect(findings.map((one) => one.name)).toEqual([
      'node',
      'python3',
      'pip',
      'cmake',
      'c++',
      'libtorch',
      'addon',
      'machine',
      'store',
    ]);
    expect(findings[0]).toEqual({ name: 'node', ok: true, found: process.version, mend: null });
  });

  test('names the command that installs what is missing, and fails', async () => {
    await using place = await temporaryDirectory();
    const { exitCode, findings } = await runJson<Findings>(['doctor', ...project.inStore], {
      env: { PATH: place.path },
    });
    expect(exitCode).toBe(1);
    expect(findings.find((one) => one.name === 'cmake')).toEqual({
      name: 'cmake',
      ok: false,
      found: 'missing',
      mend: 'Install it: sudo apt-get install cmake',
    });
  });

  test('says what is wrong with a store', async () => {
    await using place = await temporaryDirectory();
    await writeFile(
      join(place.path, 'metadata.sqlite'),
      'no database, but some text that is longer than a header\n'.repeat(99),
    );
    const { exitCode, findings } = await runJson<Findings>(['doctor', '--store', place.path]);
    expect({ exitCode, store: findings.find((one) => one.name === 'store')?.ok }).toEqual({
      exitCode: 1,
      store: false,
    });
  });
});

describe('millrace runs logs', () => {
  test('tells what every stage did, as text and as lines of JSON', async () => {
    const text = await runCli(['runs', 'logs', run, ...project.inStore]);
    expect(text.code).toBe(0);
    expect(text.stdout).toMatch(/^\S+Z {2}model {17}succeeded after \d+ ms$/m);
    const { stdout } = await runCli(['runs', 'logs', run, '--json', ...project.inStore]);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toHaveLength(text.stdout.trim().split('\n').length);
    expect(lines).toContainEqual(
      expect.objectContaining({ kind: 'stageFinished', stage: 'model', status: 'succeeded' }),
    );
  });

  test('with --follow go on until the run ends', async () => {
    const store = `${project.store}-followed`;
    const pipeline = startCli(['run', join(project.directory, 'pipeline.ts'), '--store', store]);
    const id = await stageBegun(store, 'visits');
    const followed = await runCli(['runs', 'logs', id, '--follow', '--store', store]);
    expect((await pipeline.done).code).toBe(0);
    const whole = await runCli(['runs', 'logs', id, '--store', store]);
    expect(followed).toMatchObject({ code: 0, stdout: whole.stdout });
    expect(whole.stdout).toContain('endpoint');
  });
});

describe('millrace predict', () => {
  test.each([
    ['rows.json', 'no such file'],
    ['data', 'what cannot be read as a file'],
  ])('says what is wrong with %s', async (name, received) => {
    const file = join(project.directory, name);
    const { code, stderr } = await runCli(['predict', 'visitors', file, ...project.inStore]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `${file}: expected a JSON file with an array of rows; received ${received}. Name one, or '-' for stdin.\n`,
    });
  });
});

describe('millrace tensorboard', () => {
  test('starts the machine’s TensorBoard on the records, and ends as it does', async () => {
    await using place = await temporaryDirectory();
    const program = join(place.path, 'tensorboard');
    await writeFile(program, '#!/bin/sh\necho "$@"\nexit 3\n');
    await chmod(program, 0o755);
    const env = { PATH: `${place.path}:${process.env['PATH']}` };
    const started = await runCli(['tensorboard', '--run', run, '--port', '7000', ...project.inStore], { env });
    const logs = join(project.store, 'records', run);
    expect(started).toMatchObject({ code: 3, stdout: `--logdir ${logs} --port 7000\n`, stderr: `Logs: ${logs}\n` });
  });

  test('says how to install it where it is not there', async () => {
    await using place = await temporaryDirectory();
    const { code, stderr } = await runCli(['tensorboard', ...project.inStore], { env: { PATH: place.path } });
    const logs = join(project.store, 'records');
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `Logs: ${logs}\ntensorboard: expected the command tensorboard; received none on the PATH. Install it with: pip install tensorboard. The logs are in ${logs}.\n`,
    });
  });

  test('refuses a store without records', async () => {
    await using place = await temporaryDirectory();
    await mkdir(join(place.path, 'store'));
    const { code, stderr } = await runCli(['tensorboard', '--store', join(place.path, 'store')]);
    expect(code).toBe(2);
    expect(stderr).toContain(
      'expected records of a run; received no such directory. Run a pipeline that fits a model first.',
    );
  });
});

describe('millrace models show', () => {
  test('tells the code that made a version: the pipeline’s bundle, and its operators in JSON', async () => {
    interface Shown {
      readonly versions: readonly {
        readonly lineage: {
          readonly code: { readonly bundle: string; readonly operators: Readonly<Record<string, string>> };
        };
      }[];
    }
    const { versions } = await runJson<Shown>(['models', 'show', 'visitors', ...project.inStore]);
    const { bundle, operators } = versions[0]!.lineage.code;
    expect(bundle).toMatch(/^[0-9a-f]{64}$/);
    expect(Object.keys(operators)).toEqual([
      ...['custom', 'deploy', 'evaluate', 'exportOnnx', 'feed', 'fit', 'gate', 'ingest', 'promote', 'register', 'sql'],
      'statistics',
    ]);
    const { stdout } = await runCli(['models', 'show', 'visitors', ...project.inStore]);
    expect(stdout).toContain(bundle.slice(0, 12));
  });
});

describe('millrace check', () => {
  test('tells problems of types and of SQL at once', async () => {
    await using other = await visitorsProject(20);
    await symlink(join(repository, 'node_modules'), join(other.directory, 'node_modules'));
    await other.write(
      'tsconfig.json',
      '{ "compilerOptions": { "strict": true, "noEmit": true, "types": [] }, "include": ["minutes-per-page.ts"] }\n',
    );
    await other.edit(
      'minutes-per-page.ts',
      'return minutes === null',
      'const pace: string = pages;\n  return minutes === null',
    );
    await other.edit('pipeline.ts', 'v.pages, v.minutes', 'v.pagges, v.minutes');
    const { code, stdout, stderr } = await runCli(['check', join(other.directory, 'pipeline.ts'), ...other.inStore]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('pagges');
    expect(stderr).toContain(
      "minutes-per-page.ts(2,9): error TS2322: Type 'number' is not assignable to type 'string'.",
    );
  });
});
