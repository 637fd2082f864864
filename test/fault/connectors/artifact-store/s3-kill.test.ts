import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDiskArtifactStore } from '../../../../connectors/artifact-store/disk-artifact-store.js';
import { openS3ArtifactStore } from '../../../../connectors/artifact-store/s3-artifact-store.js';
import type { UploadProgress } from '../../../../connectors/artifact-store/s3-shelf.js';
import type { Artifact, ArtifactStore } from '../../../../pipelines/contracts/artifacts.js';
import { bundleDirectory, bundleEntry } from '../../../conformance/stores/build-worker.js';
import { errorOf } from '../../../conformance/stores/metadata-suite.js';
import { startS3, type TestS3 } from '../../../support/s3.js';
import { writeShards } from './s3-shards.js';

const totalBytes = 52_000_000;
const isLong = process.env['MILLRACE_LONG'] === '1';
let root: string;
let child: string;
let s3: TestS3;
let expected: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-s3-kill-'));
  child = join(bundleDirectory, `s3-writer-child-${process.pid}.js`);
  await bundleEntry('test/fault/connectors/artifact-store/s3-writer-child.ts', child);
  s3 = await startS3(root);
  expected = (await commit(await openDiskArtifactStore(join(root, 'disk')))).digest;
});

afterAll(async () => {
  await s3[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
  await rm(child, { force: true });
});

async function commit(store: ArtifactStore): Promise<Artifact> {
  const writer = await store.create('dataset');
  await writeShards((path, bytes) => writeFile(join(writer.directory, path), bytes));
  return await writer.commit({ rows: 1 });
}

async function openOn(bucket: string, onUpload?: (progress: UploadProgress) => void): Promise<ArtifactStore> {
  return openS3ArtifactStore({
    url: `s3://${bucket}/store`,
    endpoint: s3.endpoint,
    cacheDirectory: await mkdtemp(join(root, 'cache-')),
    ...(onUpload === undefined ? {} : { onUpload }),
  });
}

async function listed(store: ArtifactStore): Promise<readonly string[]> {
  const digests: string[] = [];
  for await (const digest of store.list()) digests.push(digest);
  return digests;
}

test('a commit goes on where the server is killed in the middle of it and comes back', async () => {
  for (const [index, moment] of (isLong ? [0.02, 0.15, 0.5, 0.7, 0.85] : [0.15, 0.7]).entries()) {
    const bucket = `server-killed-${index}`;
    await s3.createBucket(bucket);
    let outage: Promise<void> | null = null;
    const store = await openOn(bucket, ({ sentBytes }) => {
      if (sentBytes < moment * totalBytes || outage !== null) return;
      outage = s3.kill().then(() => delay(700).then(s3.restart));
    });
    const artifact = await commit(store);
    expect(outage, `killed at ${moment}`).not.toBeNull();
    await outage;
    expect(artifact.digest).toBe(expected);
    const elsewhere = await openOn(bucket);
    await elsewhere.verify(expected);
    expect(await listed(elsewhere)).toEqual([expected]);
  }
});

test('a commit whose server stays away ends with an error, leaves nothing, and can be repeated', async () => {
  await s3.createBucket('server-gone');
  let killed: Promise<void> | null = null;
  const cacheDirectory = await mkdtemp(join(root, 'cache-'));
  const store = await openS3ArtifactStore({
    url: 's3://server-gone/store',
    endpoint: s3.endpoint,
    cacheDirectory,
    onUpload: () => {
      killed ??= s3.kill();
    },
  });
  const error = await errorOf(commit(store));
  await killed;
  expect(error).toMatchObject({ code: 'SERVER_UNREACHABLE', retryable: true });
  expect(error.message).toMatch(
    /^s3:\/\/server-gone\/store: expected an S3 server that answers at http:\/\/127\.0\.0\.1:\d+; received (ECONNREFUSED|ECONNRESET)\. Start it, or check the endpoint and the network\.$/,
  );
  expect(await readdir(join(cacheDirectory, 'tmp'))).toEqual([]);
  await s3.restart();
  expect(await listed(store)).toEqual([]);
  expect(await store.isWhole(expected)).toBe(false);
  expect((await commit(store)).digest).toBe(expected);
  await (await openOn('server-gone')).verify(expected);
});

test('a reader whose server is killed in the middle gets the whole once it is back', async () => {
  await s3.createBucket('reader');
  await commit(await openOn('reader'));
  const reader = await openOn('reader');
  const reading = reader.open(expected);
  await delay(30);
  await s3.kill();
  await delay(500);
  await s3.restart();
  expect((await reading).digest).toBe(expected);
  await (await openOn('reader')).verify(expected);
});

test('a writer that is killed leaves nothing visible, and what it left is swept', async () => {
  for (const [index, moment] of (isLong ? [0.01, 0.1, 0.2, 0.4, 0.6, 0.9] : [0.1, 0.6]).entries()) {
    const bucket = `writer-killed-${index}`;
    await s3.createBucket(bucket);
    const cacheDirectory = await mkdtemp(join(root, 'cache-'));
    const writer = spawn(process.execPath, [child, `s3://${bucket}/store`, s3.endpoint, cacheDirectory], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...s3.env },
    });
    const ended = new Promise((resolve) => writer.once('close', resolve));
    await new Promise<void>((resolve, reject) => {
      writer.stdout.on('data', (chunk: Buffer) => {
        if (Number(chunk.toString().trim().split('\n').at(-1)) > moment * totalBytes) resolve();
      });
      writer.once('exit', (code) => reject(new Error(`the writer ended by itself with ${code}`)));
    });
    writer.kill('SIGKILL');
    await ended;
    const store = await openS3ArtifactStore({ url: `s3://${bucket}/store`, endpoint: s3.endpoint, cacheDirectory });
    expect(await listed(store), `killed at ${moment}`).toEqual([]);
    expect(await store.isWhole(expected)).toBe(false);
    expect(await readdir(join(cacheDirectory, 'tmp'))).toHaveLength(1);
    expect(await store.sweep()).toBe(1);
    expect(await readdir(join(cacheDirectory, 'tmp'))).toEqual([]);
    // What it had uploaded is used by the next one.
    expect((await commit(store)).digest).toBe(expected);
    await (await openOn(bucket)).verify(expected);
  }
});
