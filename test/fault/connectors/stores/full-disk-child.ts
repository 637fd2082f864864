/** Runs on a small file system of its own (argument: its directory) and prints one JSON object of what it saw. */
import { appendFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openDiskArtifactStore } from '../../../../connectors/artifact-store/disk-artifact-store.js';
import { openSqliteMetadataStore } from '../../../../connectors/metadata-store/sqlite-metadata-store.js';
import { openEventLog } from '../../../../connectors/tensorboard/event-log.js';

const root = process.argv[2] ?? '';
const ballast = join(root, 'ballast');

function fill(): void {
  writeFileSync(ballast, '');
  for (const bytes of [65536, 4096, 1]) {
    try {
      for (;;) appendFileSync(ballast, Buffer.alloc(bytes));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }
}

const describe = (error: unknown) => {
  const { code, message, retryable } = error as { code: string; message: string; retryable: boolean };
  return { code, message: message.replaceAll(root, 'ROOT').replace(/tmp\/[^:]+/, 'tmp/OWNED'), retryable };
};
const outcome = async (promise: Promise<unknown>) => {
  try {
    await promise;
    return null;
  } catch (error) {
    return describe(error);
  }
};

const artifacts = await openDiskArtifactStore(root);
const store = await openSqliteMetadataStore({ file: join(root, 'metadata.sqlite'), namespace: 'default' });
await store.putMemo('s', 'before', 'kept');
const writer = await artifacts.create('value');
await writeFile(join(writer.directory, 'a'), Buffer.alloc(100_000, 'x'));
const log = await openEventLog(join(root, 'log'));
log.scalar('x', 0, 1);
await log.flush();
fill();

const commit = await outcome(writer.commit({}));
const visible: string[] = [];
for await (const digest of artifacts.list()) visible.push(digest);
const temporary = await readdir(join(root, 'tmp'));
fill();
const create = await outcome(
  (async () => {
    for (let index = 0; index < 1000; index++) await artifacts.create('value');
  })(),
);
for (let step = 0; step < 100_000; step++) log.scalar('x', step, 1);
const events = await outcome(log.flush());
let kept = 0;
const metadata = await outcome(
  (async () => {
    for (; kept < 5000; kept++) await store.putMemo('s', `k${kept}`, 'x'.repeat(2000));
  })(),
);
const readable = await store.memo('s', 'before');
rmSync(ballast);
const again = await artifacts.create('value');
await writeFile(join(again.directory, 'a'), Buffer.alloc(100_000, 'x'));
const { digest } = await again.commit({});
await artifacts.verify(digest);
await store.putMemo('s', 'after', 'written');
const lost: number[] = [];
for (let index = 0; index < kept; index++) if ((await store.memo('s', `k${index}`)) === null) lost.push(index);
const refused = await store.memo('s', `k${kept}`);
await store[Symbol.asyncDispose]();
const free = statfsSync(root).bfree > 0;
process.stdout.write(
  `${JSON.stringify({ commit, visible, temporary, create, events, metadata, readable, lost, refused, free })}\n`,
);
process.exit(0);
