import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCli, runJson } from '../../support/cli.js';
import { emptyProject, type Project } from '../../support/visitors.js';

describe('millrace.config.ts', () => {
  let project: Project;

  beforeAll(async () => {
    project = await emptyProject();
  });
  afterAll(() => project[Symbol.asyncDispose]());

  const withConfig = async (text: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
    await project.write('millrace.config.ts', text);
    return runCli(args, { cwd: project.directory, env });
  };
  const defining = (body: string): string =>
    `import { defineConfig, secret } from 'millrace';\nexport default defineConfig(${body} as never);\nvoid secret;\n`;

  test('says where the store is, for commands in folders below it too', async () => {
    const { code, stderr } = await withConfig(defining("{ store: { directory: 'kept/here' } }"), ['runs', 'list']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(existsSync(join(project.directory, 'kept/here/metadata.sqlite'))).toBe(true);
    const below = await runJson<{ readonly runs: readonly unknown[] }>(['runs', 'list'], {
      cwd: join(project.directory, 'data'),
    });
    expect(below).toEqual({ runs: [], exitCode: 0 });
    expect(existsSync(join(project.directory, '.millrace'))).toBe(false);
  });

  test('comes behind the flag and the environment', async () => {
    await withConfig(defining("{ store: { directory: 'kept/never' } }"), ['runs', 'list', '--store', 'flagged']);
    expect(existsSync(join(project.directory, 'flagged/metadata.sqlite'))).toBe(true);
    expect(existsSync(join(project.directory, 'kept/never'))).toBe(false);
  });

  test('says where the Temporal server is', async () => {
    const { code, stderr } = await withConfig(
      defining("{ temporal: { address: '127.0.0.1:1' } }"),
      ['worker', 'start'],
      {
        TEMPORAL_ADDRESS: '',
      },
    );
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr:
        'TEMPORAL_ADDRESS: expected a Temporal server that answers at 127.0.0.1:1; received a refused connection. Start one with millrace dev, or set TEMPORAL_ADDRESS to one that runs.\n',
    });
  });

  test('is refused with all its problems at once', async () => {
    const { code, stderr } = await withConfig(
      defining(
        "{ stor: {}, store: { metadata: 'postgres://me:word@host/db', artifacts: { url: 'http://bucket' } }, temporal: { address: 'host' } }",
      ),
      ['runs', 'list'],
    );
    expect(code).toBe(2);
    expect(stderr.trim().split('\n').sort()).toEqual([
      "millrace.config.ts.stor: expected one of the keys store, temporal; received 'stor'. Did you mean 'store'?",
      "millrace.config.ts.store.artifacts.url: expected 's3://<bucket>/<prefix>'; received 'http://bucket'.",
      "millrace.config.ts.store.metadata: expected a URL without a password; write secret('NAME') for one that has it; received 'postgres://me:…@host/db'.",
      "millrace.config.ts.temporal.address: expected '<host>:<port>'; received 'host'.",
    ]);
    expect(stderr).not.toContain('word@');
  });

  test('names the environment variable that a secret needs', async () => {
    const { code, stderr } = await withConfig(
      defining("{ store: { metadata: secret('MILLRACE_TEST_METADATA_URL') } }"),
      ['runs', 'list'],
    );
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr:
        'store.metadata: expected the environment variable MILLRACE_TEST_METADATA_URL; received none of that name. Set it for this process.\n',
    });
  });

  test('is refused where it throws, or exports nothing', async () => {
    const thrown = await withConfig("throw new Error('no luck');\n", ['runs', 'list']);
    expect({ code: thrown.code, stderr: thrown.stderr }).toEqual({
      code: 2,
      stderr:
        'millrace.config.ts: expected a configuration that evaluates; received an error it threw (no luck). Mend it and run again.\n',
    });
    const nothing = await withConfig('export const config = {};\n', ['runs', 'list']);
    expect({ code: nothing.code, stderr: nothing.stderr }).toEqual({
      code: 2,
      stderr:
        'millrace.config.ts: expected a default export; received none. Write export default defineConfig({ … }).\n',
    });
  });
});
