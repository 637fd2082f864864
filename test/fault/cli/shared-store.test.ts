import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestsOf, type RunObject, repository, runCli, runJson } from '../../support/cli.js';
import { type Project, ranStages, visitorsProject } from '../../support/visitors.js';

const execute = promisify(execFile);

describe('two runs at once on one store', () => {
  test('both succeed, with the same digests, and compute each stage once', async () => {
    await using project = await visitorsProject(300);
    const [first, second] = await Promise.all([project.run(), project.run()]);
    expect([first.status, second.status]).toEqual(['succeeded', 'succeeded']);
    const { 'passed.verdict': _first, ...results } = digestsOf(first);
    const { 'passed.verdict': _second, ...others } = digestsOf(second);
    expect(others).toEqual(results);
    expect([...ranStages(first), ...ranStages(second)].sort()).toEqual(
      ['visits', 'paces', 'rows', 'model/statistics', 'model/feed', 'model', 'onnx', 'report'].sort(),
    );
    const { models } = await runJson<{ readonly models: readonly unknown[] }>(['models', 'list', ...project.inStore]);
    expect(models).toEqual([{ model: 'visitors', versions: 1, aliases: { champion: 1 } }]);
    const { altered } = await runJson<{ readonly altered: number | null }>([
      'models',
      'history',
      '--verify',
      ...project.inStore,
    ]);
    expect(altered).toBeNull();
  });
});

describe('a disk that fills while an artifact is written', () => {
  test('ends the run with DISK_FULL, and a smaller one succeeds in the same store', async (context) => {
    await using project = await visitorsProject(10);
    await project.write(
      'pipeline.ts',
      `import { definePipeline, sql } from 'millrace';
import { t } from 'millrace/types';
import { z } from 'zod';
export default definePipeline({ name: 'numbers', params: z.object({ rows: z.int() }), build: ({ params }) => ({
  numbers: sql\`SELECT i::BIGINT AS i, hash(i)::VARCHAR AS text FROM range(\${params.rows}::BIGINT) r(i)\`.as({ i: t.int64, text: t.string }, { key: 'i' }),
}) });
`,
    );
    const entry = join(repository, 'dist/cli/main.js');
    const run = (rows: number): string =>
      `"${process.execPath}" "${entry}" run "${join(project.directory, 'pipeline.ts')}" --store "$0" --json -p rows=${rows}; echo $?`;
    // A file system of 12 MB that only these commands see.
    const onSmallDisk = (command: string): readonly string[] => [
      ...['--map-root-user', '--mount', 'sh', '-c'],
      `mkdir -p "$0" && mount -t tmpfs -o size=12m none "$0" && ${command}`,
      project.store,
    ];
    try {
      await execute('unshare', [...onSmallDisk('true')]);
    } catch {
      context.skip('needs `unshare` with user and mount namespaces to make a small disk');
    }
    const { stdout } = await execute('unshare', [...onSmallDisk(`${run(2_000_000)}; ${run(1000)}; ls "$0/tmp"`)]);
    const [full = '', fullCode, good = '', goodCode, ...left] = stdout.trim().split('\n');
    const { stages } = JSON.parse(full) as RunObject;
    expect({ exitCode: fullCode, error: stages[0]!.error }).toEqual({
      exitCode: '1',
      error: {
        code: 'DISK_FULL',
        message:
          'numbers: expected room on the disk for the result and what is spilled; received a full disk. Free some space, or point the store at a larger disk.',
      },
    });
    expect({ exitCode: goodCode, status: (JSON.parse(good) as RunObject).status, left }).toEqual({
      exitCode: '0',
      status: 'succeeded',
      left: [],
    });
  });
});

describe('millrace serve', () => {
  test('names a port that another process has', async () => {
    await using project = await visitorsProject(10);
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as AddressInfo;
    const { code, stderr } = await runCli(['serve', '--port', String(port), ...project.inStore]);
    other.close();
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `serve.port: expected a free port; received ${port} on 127.0.0.1, which another process holds. Choose another with --port, or --port 0 for any free one.\n`,
    });
  });
});

describe('a hostile name', () => {
  let project: Project;
  beforeAll(async () => {
    project = await visitorsProject(10);
    await project.write('rows.json', '[]');
  });
  afterAll(() => project[Symbol.asyncDispose]());

  const hostile = ['..', '/etc/passwd', '%2e%2e', 'a\\b', '#', 'x'.repeat(300)];
  const shown = (name: string): string => JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}…` : name);

  test.each(hostile)('%j is refused as a model, with the rule', async (name) => {
    const rows = join(project.directory, 'rows.json');
    const target = join(project.directory, 'exported');
    for (const args of [
      ['models', 'show', name],
      ['models', 'export', name, target],
      ['predict', name, rows],
    ]) {
      const { code, stderr } = await runCli([...args, ...project.inStore]);
      expect({ args, code, stderr }).toEqual({
        args,
        code: 2,
        stderr: `registry.model: expected 1 to 128 characters of A-Z a-z 0-9 . _ -, starting with a letter or digit, without '..'; received ${shown(name)}. Choose another name.\n`,
      });
    }
  });

  test.each(hostile)('%j is refused as a run, with the rule', async (name) => {
    for (const args of [
      ['runs', 'show', name],
      ['runs', 'logs', name],
      ['runs', 'resume', name],
      ['runs', 'cancel', name],
      ['sql', 'SELECT 1', '--run', name],
    ]) {
      const { code, stderr } = await runCli([...args, ...project.inStore]);
      expect({ args, code, stderr }).toEqual({
        args,
        code: 2,
        stderr: `run: expected 1 to 128 characters of A-Z a-z 0-9 . _ -, starting with a letter or digit, without '..'; received ${shown(name)}. Choose another name.\n`,
      });
    }
  });

  test.each([
    ["name: 'visitors'", "name: '../visitors'", 'definePipeline.name'],
    ["model: 'visitors'", "model: '/etc/passwd'", 'register.model'],
    ["endpoint: 'visitors'", "endpoint: 'a%2eb'", 'deploy.endpoint'],
    ["alias: 'champion'", "alias: 'a\\\\b'", 'promote.alias'],
  ])('%s in a pipeline is refused as %s, with the rule', async (from, to, path) => {
    await project.edit('pipeline.ts', from, to);
    const { code, stderr } = await project.runText();
    await project.edit('pipeline.ts', to, from);
    const received = to.split("'")[1]!.replace('\\\\', '\\');
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: `${path}: expected 1 to 128 letters, digits, '.', '_' or '-', a letter or digit first, without '..'; received '${received}'.\n`,
    });
  });

  test('is refused as a stage, with the rule', async () => {
    await project.edit('pipeline.ts', 'return { visits,', "return { 'a/../b': visits,");
    const { code, stderr } = await project.runText();
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: "build.a/../b: expected a name of 1 to 64 letters, digits and _, a letter first; received 'a/../b'.\n",
    });
  });

  test.each([
    [['run', 'pipeline.ts', '--device', 'gpu'], "--device: expected 'auto', 'cpu' or 'cuda'; received 'gpu'.\n"],
    [['tensorboard', '--port', '0x50'], "--port: expected an integer from 1 to 65535; received '0x50'.\n"],
    [['runs', 'list', '--limit', '-1'], "--limit: expected an integer from 1 to 100000; received '-1'.\n"],
  ])('%j is refused with the rule', async (args, stderr) => {
    expect(await runCli([...args, '--store', project.store], { cwd: project.directory })).toMatchObject({
      code: 2,
      stderr,
    });
  });
});
