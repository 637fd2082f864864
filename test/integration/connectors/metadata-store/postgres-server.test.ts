import { execFile, spawn } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openPostgresMetadataStore } from '../../../../connectors/metadata-store/postgres-metadata-store.js';
import { bundleDirectory, bundleEntry } from '../../../conformance/stores/build-worker.js';
import { errorOf, newRun } from '../../../conformance/stores/metadata-suite.js';
import { addVersion, promote } from '../../../conformance/stores/registry-suite.js';
import { startPostgres, type TestPostgres } from '../../../support/postgres.js';

const execute = promisify(execFile);
const writerChild = join(bundleDirectory, `postgres-writer-${process.pid}.js`);
const leaseChild = join(bundleDirectory, `postgres-lease-${process.pid}.js`);
const sources = 'test/integration/connectors/metadata-store';
let server: TestPostgres;
let url: string;

beforeAll(async () => {
  server = await startPostgres();
  await bundleEntry(`${sources}/writer-child.ts`, writerChild);
  await bundleEntry(`${sources}/lease-child.ts`, leaseChild);
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(writerChild, { force: true });
  await rm(leaseChild, { force: true });
});

beforeEach(async () => {
  url = await server.createDatabase();
});

const open = (busyTimeoutMs = 10_000) => openPostgresMetadataStore({ url, namespace: 'default', busyTimeoutMs });
const shown = () => `postgres://owner@127.0.0.1:${server.port}${new URL(url).pathname}`;

/** Another session that holds a lock on a table until it ends. */
async function lockTable(table: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('BEGIN');
  await client.query(`LOCK TABLE millrace.${table}`);
  return client;
}

/** Resolves once a session of the store waits for a lock; its process in the server. */
async function waitingSession(): Promise<number> {
  for (;;) {
    const [found] = await server.execute(
      url,
      `SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'millrace'
        AND datname = current_database()`,
    );
    if (found !== undefined) return Number(found.pid);
  }
}

describe('several processes on one database', () => {
  test('create the schema at the same moment and lose no write', async () => {
    const names = ['a', 'b', 'c', 'd'];
    await Promise.all(names.map((name) => execute(process.execPath, [writerChild, url, name, '25'])));
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
    // 25 shared keys, four writers: one inserts, three leave their different outputs as evidence.
    expect(await server.execute(url, 'SELECT count(*)::int AS found FROM millrace.cache_conflicts')).toEqual([
      { found: 75 },
    ]);
  });

  test('a write that waits too long for another says so', async () => {
    await using store = await open(200);
    const other = await lockTable('memos');
    expect(await errorOf(store.putMemo('s', 'k', 1))).toMatchObject({
      code: 'STORE_LOCKED',
      message: `${shown()}: expected its locks within 200 ms; received another session that holds one. Wait for the other process or end it.`,
      retryable: true,
    });
    await other.end();
    await store.putMemo('s', 'k', 2);
    expect(await store.memo('s', 'k')).toBe(2);
  });

  test('writes to one run or key do not wait for those to another', async () => {
    await using store = await open();
    await using other = await open();
    await store.putMemo('s', 'k', 1);
    const holder = new pg.Client({ connectionString: url });
    await holder.connect();
    await holder.query('BEGIN');
    await holder.query(`SELECT 1 FROM millrace.memos FOR UPDATE`);
    const held = store.putMemo('s', 'k', 2);
    await waitingSession();
    await other.putMemo('s', 'other', 1);
    await other.createRun(newRun());
    await holder.end();
    await held;
    expect(await other.memo('s', 'k')).toBe(2);
  });
});

describe('leases', () => {
  test('a killed process loses its lease at once', async () => {
    const child = spawn(process.execPath, [leaseChild, url, 'key'], { stdio: ['ignore', 'pipe', 'inherit'] });
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

  test('an owner of another machine keeps its lease until it runs out by the clock of the database', async () => {
    await using store = await open();
    await server.execute(
      url,
      `INSERT INTO millrace.leases (namespace, key, token, boot_id, pid, process_start, expires_at)
        SELECT 'default', key, 't', 'elsewhere', 1, '1', extract(epoch FROM clock_timestamp()) * 1000 + ms
        FROM (VALUES ('live', 60000), ('over', -1)) AS lease (key, ms)`,
    );
    expect(await store.acquireLease('live', 1000)).toBeNull();
    expect(await store.leaseHolder('live')).toEqual({ bootId: 'elsewhere', pid: 1, processStart: '1' });
    await using lease = (await store.acquireLease('over', 1000))!;
    expect(lease.isHeld).toBe(true);
  });

  test('a lease that another took is no longer held, and releasing it leaves the other alone', async () => {
    await using store = await open();
    const lease = (await store.acquireLease('key', 300))!;
    const lost = new Promise((resolve) => lease.signal.addEventListener('abort', resolve));
    await server.execute(url, `UPDATE millrace.leases SET token = 'other', expires_at = expires_at + 60000`);
    await lost;
    expect(lease.isHeld).toBe(false);
    await lease.release();
    expect(await store.leaseHolder('key')).not.toBeNull();
  });
});

describe('the schema', () => {
  test('of a newer millrace is refused', async () => {
    await (await open())[Symbol.asyncDispose]();
    await server.execute(url, 'INSERT INTO millrace.schema_version (version) VALUES (99)');
    expect(await errorOf(open())).toMatchObject({
      code: 'STORE_VERSION',
      message: `${shown()}: expected a store of schema version 1 or older; received version 99. Update millrace.`,
    });
  });

  test('that an administrator has made, empty, is filled by several that open it at once', async () => {
    await server.execute(url, 'CREATE SCHEMA millrace; CREATE TABLE millrace.schema_version (version BIGINT NOT NULL)');
    const stores = await Promise.all(Array.from({ length: 6 }, () => open()));
    await Promise.all(stores.map((store, index) => store.putMemo('s', `k${index}`, index)));
    expect(await stores[0]!.memo('s', 'k5')).toBe(5);
    expect(await server.execute(url, 'SELECT version::int FROM millrace.schema_version')).toEqual([{ version: 1 }]);
    for (const store of stores) await store[Symbol.asyncDispose]();
  });

  test('orders names by their bytes in a locale that does not', async () => {
    await using store = await open();
    for (const model of ['b', 'a', 'B', 'a-c', 'ab']) await addVersion(store.registry, model, false);
    expect((await store.registry.models()).map(({ model }) => model)).toEqual(['B', 'a', 'a-c', 'ab', 'b']);
  });
});

describe('a session that ends', () => {
  test('in the middle of a write is made anew, and the write is done once', async () => {
    await using store = await open();
    const first = await addVersion(store.registry, 'churn');
    const other = await lockTable('aliases');
    const moved = promote(store.registry, 'churn', first, null);
    await server.execute(url, `SELECT pg_terminate_backend(${await waitingSession()})`);
    await other.end();
    expect((await moved).moved).toHaveLength(1);
    const kinds = (await store.registry.history('churn')).map(({ kind }) => kind);
    expect(kinds).toEqual(['register', 'gate', 'promote']);
  });

  test('while nothing is asked is made anew', async () => {
    await using store = await open();
    await store.putMemo('s', 'k', 1);
    await server.execute(
      url,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'millrace' AND datname = current_database()`,
    );
    expect(await store.memo('s', 'k')).toBe(1);
  });
});

test('an idle store does not keep a process alive', async () => {
  const script = join(bundleDirectory, `postgres-idle-${process.pid}.js`);
  const source = join(bundleDirectory, `postgres-idle-${process.pid}.ts`);
  await writeFile(
    source,
    `
    import { openPostgresMetadataStore } from '${process.cwd()}/connectors/metadata-store/postgres-metadata-store.ts';
    const store = await openPostgresMetadataStore({ url: process.argv[2], namespace: 'default' });
    await store.putMemo('s', 'k', 1);
    console.log('done');`,
  );
  try {
    await bundleEntry(source, script);
    const { stdout } = await execute(process.execPath, [script, url], { timeout: 20_000 });
    expect(stdout).toBe('done\n');
  } finally {
    await rm(script, { force: true });
    await rm(source, { force: true });
  }
});
