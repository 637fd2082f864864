import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCli, runJson, temporaryDirectory } from '../../support/cli.js';

interface Failed {
  readonly exitCode: number | null;
  readonly error: { readonly code: string; readonly message: string };
}

test.each<[args: readonly string[], received: string]>([
  [['run'], "missing required argument 'file'"],
  [['runs', 'list', '--limmit', '3'], "unknown option '--limmit'\n(Did you mean --limit?)"],
  [['models', 'reject', 'churn', '1'], "required option '--reason <text>' not specified"],
])('a wrong command line is one JSON object with --json: %j', async (args, received) => {
  const { exitCode, error } = await runJson<Failed>(args);
  expect({ exitCode, code: error.code, message: error.message }).toEqual({
    exitCode: 2,
    code: 'CONFIG_INVALID',
    message: `command line: expected a command with its arguments and options; received ${received}. Run millrace --help to see the commands.`,
  });
});

test('help and version print no JSON object and are no failure', async () => {
  expect(await runCli(['--version', '--json'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^[\d.]+\n$/) });
  expect((await runCli(['run', '--help', '--json'])).stdout).toMatch(/^Usage: /);
});

test('models history and models export refuse what names no model', async () => {
  await using place = await temporaryDirectory();
  const store = ['--store', join(place.path, 'store')];
  expect(await runCli(['models', 'history', 'churn', ...store])).toMatchObject({
    code: 2,
    stderr: 'models.churn: expected a registered model; received "churn". `millrace models list` shows all models.\n',
  });
  for (const reference of ['churn@champion@3', '@3', 'churn@']) {
    expect(await runCli(['models', 'export', reference, join(place.path, 'bundle'), ...store])).toMatchObject({
      code: 2,
      stderr: `model: expected '<model>@<alias or version>'; received '${reference}'.\n`,
    });
  }
});

test('a file in the place of the store is named', async () => {
  await using place = await temporaryDirectory();
  const file = join(place.path, 'file.csv');
  await writeFile(file, '');
  expect(await runCli(['runs', 'list', '--store', file])).toMatchObject({
    code: 1,
    stderr: `${file}: expected a store that can be read and written; received a file in its place. Check the path and its permissions.\n`,
  });
});

test('runs list says which pipeline has no runs', async () => {
  await using place = await temporaryDirectory();
  expect(await runCli(['runs', 'list', '--pipeline', 'churn', '--store', join(place.path, 'store')])).toMatchObject({
    code: 0,
    stdout: "No runs of a pipeline 'churn'. All runs: millrace runs list\n",
  });
});

test('predict names stdin where it is no JSON', async () => {
  await using place = await temporaryDirectory();
  const { code, stderr } = await runCli(['predict', 'churn', '-', '--store', place.path]);
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr:
      'stdin: expected a JSON array of rows; received text that is no JSON (Unexpected end of JSON input). Write [{ "feature": value, … }, …].\n',
  });
});
