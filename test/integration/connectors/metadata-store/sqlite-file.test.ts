import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Database from 'libsql';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { currentOwner, isOwnerDead } from '../../../../connectors/metadata-store/process-owner.js';
import { openSqliteMetadataStore } from '../../../../connectors/metadata-store/sqlite-metadata-store.js';
import { bundleDirectory, bundleEntry } from '../../../conformance/stores/build-worker.js';
import { digest, errorOf, newRun, stageOf } from '../../../conformance/stores/metadata-suite.js';
import { addVersion, promote } from '../../../conformance/stores/registry-suite.js';

const execute = promisify(execFile);
const writerChild = join(bundleDirectory, `metadata-writer-${process.pid}.js`);
const leaseChild = join(bundleDirectory, `metadata-lease-${process.pid}.js`);
const sources = 'test/integration/connectors/metadata-store';
let root: string;
let file: string;

beforeAll(async () => {
  await bundleEntry(`${sources}/writer-child.ts`, writerChild);
  await bundleEntry(`${sources}/lease-child.ts`, leaseChild);
});

afterAll(async () => {
  await rm(writerChild, { force: true });
  await rm(leaseChild, { force: true });
});

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-metadata-'));
  file = join(root, 'metadata.sqlite');
});

afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

const open = () => openSqliteMetadataStore({ file, namespace: 'default' });

/** Changes the file behind the store's back. */
function tamper(sql: string): void {
  const database = new Database(file);
  database.exec('PRAGMA busy_timeout = 5000');
  database.exec(sql);
  database.close();
}

function leasedKeys(): readonly string[] {
  const database = new Database(file);
  const found = database.prepare('SELECT key FROM leases ORDER BY key').all() as { readonly key: string }[];
  database.close();
  return found.map(({ key }) => key);
}

describe('several processes on one file', () => {
  test('create it at the same moment and lose no write', async () => {
    const names = ['a', 'b', 'c', 'd'];
    await Promise.all(names.map((name) => execute(process.execPath, [writerChild, file, name, '25'])));
    await using store = await open();
    const runs = await store.runs({ limit: 1000 });
    expect(runs.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 100 }, (_, index) => 100 - index));
    for (const name of names) {
      const ofName = runs.filter(({ pipeline }) => pipeline === name).map(({ id }) => id);
      expect(ofName).toEqual(Array.from({ length: 25 }, (_, index) => `${name}-${24 - index}`));
    }
    expect((await store.registry.versions('m')).map(({ version }) => version)).toEqual(
      Array.from({ length: 100 }, (_, index) => index + 1),
    );
    expect(await store.registry.verifyHistory()).toBeNull();
    const database = new Database(file);
    const [conflicts] = database.prepare('SELECT count(*) AS found FROM cache_conflicts').all() as { found: number }[];
    database.close();
    // 25 shared keys, four writers: one inserts, three leave their different outputs as evidence.
    expect(conflicts?.found).toBe(75);
  });

  test('a write that waits too long for another says so', async () => {
    await using store = await openSqliteMetadataStore({ file, namespace: 'default', busyTimeoutMs: 100 });
    const other = new Database(file);
    other.exec('BEGIN IMMEDIATE');
    expect(await errorOf(store.putMemo('s', 'k', 1))).toMatchObject({
      code: 'STORE_LOCKED',
      message: `${file}: expected the write lock within 100 ms; received another process that holds it. Wait for the other process or end it.`,
      retryable: true,
    });
    expect(await store.memo('s', 'k')).toBeNull();
    other.exec('ROLLBACK');
    other.close();
    await store.putMemo('s', 'k', 2);
    expect(await store.memo('s', 'k')).toBe(2);
  });
});

describe('leases', () => {
  test('a killed process loses its lease at once', async () => {
    const child = spawn(process.execPath, [leaseChild, file, 'key'], { stdio: ['ignore', 'pipe', 'inherit'] });
    const held = await new Promise((resolve) => child.stdout.once('data', (chunk) => resolve(String(chunk))));
    expect(held).toBe('true\n');
    await using store = await open();
    expect(await store.leaseHolder('key')).toMatchObject({ pid: child.pid });
    expect(await store.acquireLease('key', 1000)).toBeNull();
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    expect(await store.leaseHolder('key')).toBeNull();
    await using lease = (await store.acquireLease('key', 1000))!;
    expect(lease.isHeld).toBe(true);
  });

  test('a sweep removes what dead processes of this machine left, and no other', async () => {
    await using store = await open();
    await using ours = (await store.acquireLease('ours', 60_000))!;
    const { bootId } = currentOwner();
    const insert = (key: string, boot: string) =>
      tamper(`INSERT INTO leases (namespace, key, token, boot_id, pid, process_start, expires_at)
        VALUES ('default', '${key}', 't', '${boot}', 1, 'gone', ${Date.now() + 60_000})`);
    insert('dead', bootId);
    insert('elsewhere', 'elsewhere');
    expect(await store.sweepLeases()).toBe(1);
    expect(await store.sweepLeases()).toBe(0);
    expect(ours.isHeld).toBe(true);
    expect(await store.acquireLease('elsewhere', 1000)).toBeNull();
    expect(leasedKeys()).toEqual(['elsewhere', 'ours']);
  });

  test('an owner of another machine keeps its lease until it runs out', async () => {
    await using store = await open();
    const insert = (key: string, expiresAt: number) =>
      tamper(`INSERT INTO leases (namespace, key, token, boot_id, pid, process_start, expires_at)
        VALUES ('default', '${key}', 't', 'elsewhere', 1, '1', ${expiresAt})`);
    insert('live', Date.now() + 60_000);
    insert('over', Date.now() - 1);
    expect(await store.acquireLease('live', 1000)).toBeNull();
    expect(await store.leaseHolder('live')).toEqual({ bootId: 'elsewhere', pid: 1, processStart: '1' });
    await using lease = (await store.acquireLease('over', 1000))!;
    expect(lease.isHeld).toBe(true);
  });

  test('a lease that another took is no longer held, and releasing it leaves the other alone', async () => {
    await using store = await open();
    const lease = (await store.acquireLease('key', 300))!;
    tamper(`UPDATE leases SET token = 'other', expires_at = expires_at + 60000`);
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect(lease.isHeld).toBe(false);
    await lease.release();
    expect(await store.leaseHolder('key')).not.toBeNull();
  });

  test('a process is dead when its pid is gone or belongs to a later process', () => {
    const ours = currentOwner();
    expect(isOwnerDead(ours)).toBe(false);
    expect(isOwnerDead({ ...ours, pid: 2 ** 22 + 1 })).toBe(true);
    expect(isOwnerDead({ ...ours, processStart: '1' })).toBe(true);
    expect(isOwnerDead({ ...ours, bootId: 'elsewhere', processStart: '1' })).toBe(false);
  });
});

describe('the history', () => {
  async function fill(): Promise<void> {
    await using store = await open();
    const first = await addVersion(store.registry, 'churn');
    const second = await addVersion(store.registry, 'churn');
    await promote(store.registry, 'churn', first, null);
    await promote(store.registry, 'churn', second, first);
  }

  for (const [what, sql, found] of [
    ['a changed reason', `UPDATE history SET reason = 'nothing to see' WHERE sequence = 2`, 2],
    ['a changed version', `UPDATE history SET version = 2 WHERE sequence = 5`, 5],
    ['a changed time', `UPDATE history SET at = at + 1000 WHERE sequence = 1`, 1],
    ['a removed first line', 'DELETE FROM history WHERE sequence = 1', 1],
    ['a removed line', 'DELETE FROM history WHERE sequence = 3', 3],
    ['a removed last line', 'DELETE FROM history WHERE sequence = 6', 6],
    ['a rewritten last line', `UPDATE history SET actor = 'user:eve', digest = 'x' WHERE sequence = 6`, 6],
    [
      'an added line',
      `INSERT INTO history SELECT namespace, 7, model, kind, version, alias, from_version, endpoint, actor, reason, evidence, at, digest, previous_digest FROM history WHERE sequence = 6`,
      7,
    ],
    [
      'swapped lines',
      'UPDATE history SET sequence = CASE sequence WHEN 3 THEN -4 ELSE -3 END WHERE sequence IN (3, 4); UPDATE history SET sequence = -sequence WHERE sequence < 0',
      3,
    ],
  ] as const) {
    test(`with ${what} is found out`, async () => {
      await fill();
      tamper(sql);
      await using store = await open();
      expect(await store.registry.verifyHistory()).toBe(found);
    });
  }
});

describe('the file', () => {
  test('of a newer millrace is refused', async () => {
    await (await open())[Symbol.asyncDispose]();
    tamper('INSERT INTO schema_version (version) VALUES (99)');
    expect(await errorOf(open())).toMatchObject({
      code: 'STORE_VERSION',
      message: `${file}: expected a store of schema version 1 or older; received version 99. Update millrace.`,
    });
  });

  test('that is no database is refused', async () => {
    await writeFile(file, 'no database '.repeat(1000));
    expect(await errorOf(open())).toMatchObject({
      code: 'STORE_UNREADABLE',
      message: `${file}: expected a readable and writable SQLite database; received SQLITE_NOTADB (file is not a database). Check the permissions of the store, or restore it from a backup.`,
    });
  });

  test('in a place that is no directory, or that is one itself, is refused', async () => {
    await writeFile(join(root, 'plain'), '');
    const below = join(root, 'plain', 'metadata.sqlite');
    expect(await errorOf(openSqliteMetadataStore({ file: below, namespace: 'default' }))).toMatchObject({
      code: 'STORE_UNREADABLE',
      message: `${below}: expected a directory that can be written; received EEXIST. Check the path and its permissions.`,
    });
    await mkdir(file);
    expect(await errorOf(open())).toMatchObject({
      code: 'STORE_UNREADABLE',
      message: `${file}: expected a readable and writable SQLite database; received SQLITE_CANTOPEN (it cannot be opened). Check the permissions of the store, or restore it from a backup.`,
    });
  });

  test('keeps its log short: more than 4 MB of it moves into the database', async () => {
    await using store = await open();
    for (let round = 0; round < 150; round++) await store.putMemo('s', `k${round}`, 'x'.repeat(50_000));
    expect((await stat(`${file}-wal`)).size).toBeLessThan(8 * 1024 * 1024);
    expect((await stat(file)).size).toBeGreaterThan(2 * 1024 * 1024);
  });

  test('takes no harm from a value that cannot be cloned', async () => {
    const store = await open();
    const run = newRun();
    await store.createRun(run);
    const uncloneable = { ...stageOf(run.id, 'rows'), summary: (() => undefined) as unknown as null };
    await expect(store.putStage(uncloneable)).rejects.toThrow('could not be cloned');
    expect(await store.stages(run.id)).toEqual([]);
    await store[Symbol.asyncDispose]();
  });

  test('does not keep a process alive', async () => {
    const script = join(bundleDirectory, `metadata-idle-${process.pid}.js`);
    await writeFile(
      join(root, 'idle.ts'),
      `
      import { openSqliteMetadataStore } from '${process.cwd()}/connectors/metadata-store/sqlite-metadata-store.ts';
      const store = await openSqliteMetadataStore({ file: ${JSON.stringify(file)}, namespace: 'default' });
      await store.putMemo('s', 'k', 1);
      console.log('done');`,
    );
    await bundleEntry(join(root, 'idle.ts'), script);
    try {
      const { stdout } = await execute(process.execPath, [script], { timeout: 20_000 });
      expect(stdout).toBe('done\n');
    } finally {
      await rm(script, { force: true });
    }
  });
});

test('keeps 200 lines of a journal, each written beside a look-up', async () => {
  await using store = await open();
  const run = newRun();
  await store.createRun(run);
  const line = stageOf(run.id, 'rows');
  for (let index = 0; index < 200; index++) {
    await Promise.all([store.cached(digest()), store.putStage({ ...line, stage: `s${index}` })]);
  }
  expect((await store.stages(run.id)).map((stage) => stage.stage)).toEqual(
    Array.from({ length: 200 }, (_, index) => `s${index}`),
  );
});
