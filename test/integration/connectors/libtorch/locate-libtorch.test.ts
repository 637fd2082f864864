import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { locateLibtorch } from '../../../../connectors/libtorch/locate-libtorch.js';
import { makeFolder } from '../../../../connectors/tools/cache-folder.js';

let folder: string;
const before = {
  LIBTORCH: process.env['LIBTORCH'],
  XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'],
  PATH: process.env['PATH'],
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-libtorch-'));
  process.env['XDG_CACHE_HOME'] = join(folder, 'cache');
  delete process.env['LIBTORCH'];
});
afterEach(() => {
  for (const [name, value] of Object.entries(before)) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
  rmSync(folder, { recursive: true, force: true });
});

function makeLibtorch(directory: string, version: readonly [number, number, number]): void {
  mkdirSync(join(directory, 'include', 'torch', 'headeronly'), { recursive: true });
  const [major, minor, patch] = version;
  const text = `#define TORCH_VERSION_MAJOR ${major}\n#define TORCH_VERSION_MINOR ${minor}\n#define TORCH_VERSION_PATCH ${patch}\n`;
  writeFileSync(join(directory, 'include', 'torch', 'headeronly', 'version.h'), text);
  mkdirSync(join(directory, 'lib'));
  const extension = process.platform === 'darwin' ? 'dylib' : 'so';
  for (const name of ['c10', 'torch_cpu']) writeFileSync(join(directory, 'lib', `lib${name}.${extension}`), '');
}

describe('locateLibtorch', () => {
  it('takes LIBTORCH before the cache', async () => {
    const given = join(folder, 'given');
    makeLibtorch(given, [2, 14, 0]);
    makeLibtorch(join(folder, 'cache', 'millrace', 'libtorch', '2.14.1', 'torch'), [2, 14, 1]);
    process.env['LIBTORCH'] = given;
    expect(await locateLibtorch()).toEqual({ directory: given, version: '2.14.0', source: 'LIBTORCH' });
  });

  it('takes the cache where LIBTORCH is not set', async () => {
    const cached = join(folder, 'cache', 'millrace', 'libtorch', '2.14.1', 'torch');
    makeLibtorch(cached, [2, 14, 1]);
    expect(await locateLibtorch()).toEqual({ directory: cached, version: '2.14.1', source: 'cache' });
  });

  it('refuses a LIBTORCH of another version, naming it', async () => {
    const given = join(folder, 'given');
    makeLibtorch(given, [1, 13, 0]);
    process.env['LIBTORCH'] = given;
    await expect(locateLibtorch()).rejects.toMatchObject({
      code: 'LIBTORCH_VERSION',
      message:
        'LIBTORCH: expected a folder with include/ and lib/ of libtorch 2.14.x; received libtorch 1.13.0. Unset LIBTORCH to let `millrace setup` fetch one.',
    });
  });

  it('finds nothing on a machine without Python', async () => {
    process.env['PATH'] = folder;
    expect(await locateLibtorch()).toBeNull();
  });
});

describe('makeFolder', () => {
  it('leaves nothing where filling fails', async () => {
    const target = join(folder, 'target');
    await expect(makeFolder(target, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    await makeFolder(target, async (directory) => writeFileSync(join(directory, 'a'), '1'));
  });

  it('keeps the folder of whoever was first', async () => {
    const target = join(folder, 'target');
    await makeFolder(target, async (directory) => {
      writeFileSync(join(directory, 'a'), 'second');
      mkdirSync(target);
      writeFileSync(join(target, 'a'), 'first');
    });
    const { readFileSync, readdirSync } = await import('node:fs');
    expect(readFileSync(join(target, 'a'), 'utf8')).toBe('first');
    expect(readdirSync(folder)).toEqual(['target']);
  });
});
