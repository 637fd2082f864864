import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundleDirectory, bundleEntry } from '../../../conformance/stores/build-worker.js';

const execute = promisify(execFile);
const child = join(bundleDirectory, `full-disk-child-${process.pid}.js`);
let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-full-'));
  await bundleEntry('test/fault/connectors/stores/full-disk-child.ts', child);
});

afterAll(async () => {
  await rm(root, { recursive: true, force: true });
  await rm(child, { force: true });
});

/** A file system of 6 MB that only the child sees, in namespaces of its own: no root is needed where these are allowed. */
const inSmallDisk = (command: string) => [
  '--map-root-user',
  '--mount',
  'sh',
  '-c',
  `mount -t tmpfs -o size=6m none "$0" && ${command}`,
  root,
];

test('a full disk refuses what is written, shows nothing half-written, and all goes on once there is room', async (context) => {
  try {
    await execute('unshare', inSmallDisk('true'));
  } catch {
    context.skip('needs `unshare` with user and mount namespaces to make a small disk');
  }
  const { stdout } = await execute('unshare', inSmallDisk(`exec "${process.execPath}" "${child}" "$0"`));
  const full = (path: string, what: string, received: string, hint: string) => ({
    code: 'DISK_FULL',
    message: `${path}: expected room on the disk for ${what}; received ${received}. ${hint}`,
    retryable: true,
  });
  const nothingVisible = 'Free space and run again; nothing half-written is visible.';
  expect(JSON.parse(stdout)).toEqual({
    commit: full('ROOT/tmp/OWNED', 'the artifact', 'ENOSPC', nothingVisible),
    visible: [],
    temporary: [],
    create: expect.toBeOneOf([null, full('ROOT/tmp', 'the artifact', 'ENOSPC', nothingVisible)]),
    events: full('ROOT/log', 'event files', 'ENOSPC', 'Free space and run again.'),
    metadata: full(
      'ROOT/metadata.sqlite',
      'the metadata store',
      'SQLITE_FULL',
      'Free space and run again; what was committed is whole.',
    ),
    readable: 'kept',
    lost: [],
    refused: null,
    free: true,
  });
});
