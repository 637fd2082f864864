import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repository, temporaryDirectory } from '../../support/cli.js';

const run = promisify(execFile);
const isLong = process.env['MILLRACE_LONG'] === '1';
const env: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: '1' };
delete env['MILLRACE_STORE'];
for (const name of Object.keys(env)) if (name.toLowerCase().startsWith('npm_')) delete env[name];

const entrances = `
import { csv, definePipeline, fit, isMillraceError, split, sql } from 'millrace';
import { dense, defineLayer, network, output } from 'millrace/nn';
import { loadModel, runPipeline, type RunResult } from 'millrace/run';
import { testPipeline } from 'millrace/testing';
import { t } from 'millrace/types';
const named = [csv, definePipeline, fit, isMillraceError, split, sql, dense, defineLayer, network, output, loadModel, runPipeline, testPipeline];
export const result: RunResult | null = null;
export const wrong: string = t.int32;
console.log(named.every((each) => typeof each === 'function'));
`;

describe.skipIf(!isLong)('the packed tarball, installed into an empty folder', () => {
  let place: Awaited<ReturnType<typeof temporaryDirectory>>;
  let folder: string;
  const inFolder = (command: string, ...args: string[]) =>
    run(command, args, { cwd: folder, env, maxBuffer: 64 * 1024 * 1024 });

  beforeAll(async () => {
    place = await temporaryDirectory();
    folder = place.path;
    const packed = await run('npm', ['pack', '--json', '--pack-destination', folder], {
      cwd: repository,
      env,
      maxBuffer: 64 * 1024 * 1024,
    });
    // prepack prints to stdout before the JSON.
    const [{ filename }] = JSON.parse(packed.stdout.slice(packed.stdout.indexOf('[\n'))) as [
      { readonly filename: string },
    ];
    await writeFile(join(folder, 'package.json'), '{ "name": "empty", "private": true, "type": "module" }\n');
    await inFolder(
      'npm',
      'install',
      `./${filename}`,
      '--prefer-offline',
      '--no-audit',
      '--no-fund',
      '--onnxruntime-node-install=skip',
    );
  }, 900_000);
  afterAll(() => place[Symbol.asyncDispose]());

  it('the public entrances import, and their types tell a mistake', { timeout: 300_000 }, async () => {
    await writeFile(join(folder, 'entrances.ts'), entrances);
    const options = {
      module: 'NodeNext',
      target: 'ES2022',
      strict: true,
      outDir: 'out',
      typeRoots: [join(repository, 'node_modules/@types')],
      types: ['node'],
    };
    await writeFile(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: options, files: ['entrances.ts'] }),
    );
    const tsc = createRequire(join(repository, 'package.json')).resolve('typescript/bin/tsc');
    const compiled = await inFolder(process.execPath, tsc, '-p', '.', '--pretty', 'false').catch(
      (error: { stdout: string }) => error,
    );
    expect(
      compiled.stdout
        .trim()
        .split('\n')
        .filter((line) => !line.startsWith(' ')),
    ).toEqual([expect.stringMatching(/^entrances\.ts\(9,14\): error TS2322: /)]);
    const { stdout } = await inFolder(process.execPath, 'out/entrances.js');
    expect(stdout.trim()).toBe('true');
  });

  it('the command says its help', { timeout: 60_000 }, async () => {
    const { stdout } = await inFolder('npx', '--no-install', 'millrace', '--help');
    expect(stdout).toContain('From raw data to a served, watched model.');
  });

  it('setup finds the native sources in the tarball, and a first pipeline fits a model', {
    timeout: 900_000,
  }, async () => {
    await inFolder('npx', '--no-install', 'millrace', 'setup');
    expect(existsSync(join(folder, 'node_modules/millrace/build/millrace.node'))).toBe(true);
    await inFolder('npx', '--no-install', 'millrace', 'init', 'project');
    const { dependencies } = JSON.parse(await readFile(join(folder, 'project', 'package.json'), 'utf8')) as {
      readonly dependencies: object;
    };
    expect(dependencies).toEqual({ zod: expect.stringMatching(/^4\./) });
    await symlink(join(folder, 'node_modules'), join(folder, 'project', 'node_modules'));
    const { stdout } = await inFolder(
      'npx',
      '--no-install',
      'millrace',
      'run',
      'project/visitors.pipeline.ts',
      '--json',
    );
    const result = JSON.parse(stdout) as { readonly status: string; readonly model: unknown };
    expect(result.status).toBe('succeeded');
    expect(result.model).toEqual({ name: 'visitors', version: 1, aliases: ['champion'] });
  });

  it('holds sources, types and licence, and no tests or data', async () => {
    const listed = JSON.parse(await readFile(join(folder, 'node_modules/millrace/package.json'), 'utf8')) as {
      readonly files: readonly string[];
    };
    const has = (path: string): boolean => existsSync(join(folder, 'node_modules/millrace', path));
    expect(listed.files.length).toBeGreaterThan(0);
    expect(
      ['dist/types/pipelines/index.d.ts', 'native/cmake/CMakeLists.txt', 'LICENSE', 'README.md'].filter(
        (path) => !has(path),
      ),
    ).toEqual([]);
    expect(['test', 'examples', 'build/test', '.millrace', 'docs'].filter(has)).toEqual([]);
  });
});
