import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'libsql';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDiskArtifactStore } from '../../../../connectors/artifact-store/disk-artifact-store.js';
import { openSqliteMetadataStore } from '../../../../connectors/metadata-store/sqlite-metadata-store.js';
import { bundleDirectory, bundleEntry } from '../../../conformance/stores/build-worker.js';

let root: string;
let child: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-kill-'));
  child = join(bundleDirectory, `writer-child-${process.pid}.js`);
  await bundleEntry('test/fault/connectors/stores/writer-child.ts', child);
});

afterAll(async () => {
  await rm(root, { recursive: true, force: true });
  await rm(child, { force: true });
});

/** mulberry32: the moments of a seed are the same in every run, as far as timers go. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Starts a writer, kills it `afterMs` after it confirmed `rounds` rounds, and returns all that it confirmed. */
async function writeAndKill(
  store: string,
  first: number,
  rounds: number,
  afterMs: number,
): Promise<readonly (readonly [number, string])[]> {
  const process_ = spawn(process.execPath, [child, store, String(first)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  await new Promise<void>((resolve, reject) => {
    process_.stdout.on('data', (chunk) => {
      text += chunk;
      if (text.split('\n').length > rounds + 1) resolve();
    });
    process_.once('exit', (code) => reject(new Error(`the writer ended by itself with ${code}`)));
  });
  await sleep(afterMs);
  const ended = new Promise((resolve) => process_.once('close', resolve));
  process_.kill('SIGKILL');
  await ended;
  return text
    .split('\n')
    .slice(1, -1)
    .map((line) => line.split(' '))
    .map(([index, digest]) => [Number(index), digest ?? ''] as const);
}

test('a writer killed at 15 seeded moments loses nothing it confirmed and leaves nothing torn', async () => {
  const seed = 20261124;
  const next = random(seed);
  const confirmed: (readonly [number, string])[] = [];
  let leftovers = 0;
  for (let round = 0; round < 15; round++) {
    const rounds = Math.floor(next() * 4);
    const afterMs = next() * 20;
    confirmed.push(...(await writeAndKill(root, round * 1000, rounds, afterMs)));
    const label = `seed ${seed}, round ${round}, ${afterMs.toFixed(1)} ms after ${rounds} rounds`;

    const artifacts = await openDiskArtifactStore(root);
    leftovers += (await readdir(join(root, 'tmp'))).length;
    await artifacts.sweep();
    expect(await readdir(join(root, 'tmp')), label).toEqual([]);
    const found = new Set<string>();
    for await (const digest of artifacts.list()) {
      await artifacts.verify(digest);
      found.add(digest);
    }
    await using store = await openSqliteMetadataStore({ file: join(root, 'metadata.sqlite'), namespace: 'default' });
    for (const [index, digest] of confirmed) {
      expect(found.has(digest), `${label}: artifact of ${index}`).toBe(true);
    }
    for (const { bundle } of await store.registry.versions('m')) expect(found.has(bundle), label).toBe(true);
    expect(await store.registry.verifyHistory(), label).toBeNull();
    for (const { id } of await store.runs({ limit: 100 })) {
      for (const { key, outputs } of await store.stages(id)) {
        for (const { digest } of outputs) expect(found.has(digest), label).toBe(true);
        expect((await store.cached(key ?? ''))?.outputs, label).toEqual(outputs);
      }
    }
    const last = confirmed.at(-1);
    if (last === undefined) continue;
    // A kill may fall between the commit and the word of it, so the champion may be newer than what was confirmed.
    const champion = await store.registry.version('m', 'champion');
    const least = (await store.registry.version('m', last[1])).version;
    expect(champion.version, label).toBeGreaterThanOrEqual(least);
    expect(await store.registry.gateRecords('m', champion.version), label).toMatchObject([{ passed: true }]);
  }
  expect(confirmed.length).toBeGreaterThan(15);
  console.info(`${confirmed.length} rounds confirmed, ${leftovers} temporary directories swept`);
  const database = new Database(join(root, 'metadata.sqlite'));
  expect(database.prepare('PRAGMA integrity_check').all()).toMatchObject([{ integrity_check: 'ok' }]);
  database.close();
});
