import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DeleteObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDiskArtifactStore } from '../../../connectors/artifact-store/disk-artifact-store.js';
import { openS3ArtifactStore } from '../../../connectors/artifact-store/s3-artifact-store.js';
import type { UploadProgress } from '../../../connectors/artifact-store/s3-shelf.js';
import type { Artifact, ArtifactStore } from '../../../pipelines/contracts/artifacts.js';
import { startS3, type TestS3 } from '../../support/s3.js';
import { type ArtifactPlace, artifactSuite, write } from './artifact-suite.js';
import { errorOf } from './metadata-suite.js';

const bucket = 'team-artifacts';
let root: string;
let s3: TestS3;
let places = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-s3-'));
  s3 = await startS3(root);
  await s3.createBucket(bucket);
});

afterAll(async () => {
  await s3[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
});

interface S3Place extends ArtifactPlace {
  /** As on another machine: a cache of its own. */
  openElsewhere(onUpload?: (progress: UploadProgress) => void): Promise<ArtifactStore>;
  readonly prefix: string;
  readonly cacheDirectory: string;
  /** What the bucket holds of a file, by its key. */
  keyOf(artifact: Artifact, path: string): string;
  /** Keys below the prefix, on the server's disk. */
  keys(kind: 'blobs' | 'manifests'): Promise<readonly string[]>;
}

async function place(): Promise<S3Place> {
  const prefix = `suite/${places++}`;
  const cacheDirectory = await mkdtemp(join(root, 'cache-'));
  const open = (directory: string, onUpload?: (progress: UploadProgress) => void): Promise<ArtifactStore> =>
    openS3ArtifactStore({
      url: `s3://${bucket}/${prefix}`,
      endpoint: s3.endpoint,
      cacheDirectory: directory,
      ...(onUpload === undefined ? {} : { onUpload }),
    });
  const keyOf = (artifact: Artifact, path: string): string =>
    path === 'manifest.json'
      ? `${prefix}/manifests/${artifact.digest}`
      : `${prefix}/blobs/${artifact.manifest.files.find((file) => file.path === path)?.sha256}`;
  return {
    prefix,
    cacheDirectory,
    open: () => open(cacheDirectory),
    openElsewhere: async (onUpload) => open(await mkdtemp(join(root, 'cache-')), onUpload),
    keyOf,
    async damage(artifact, path, content) {
      const local = join(artifact.directory, path);
      const target = { Bucket: bucket, Key: keyOf(artifact, path) };
      if (content === null) {
        await s3.client.send(new DeleteObjectCommand(target));
        return await rm(local);
      }
      await s3.client.send(new PutObjectCommand({ ...target, Body: content }));
      await chmod(local, 0o644);
      await writeFile(local, content);
    },
    async unfinished() {
      const { Uploads = [] } = await s3.client.send(
        new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix }),
      );
      const local = await readdir(join(cacheDirectory, 'tmp')).catch(() => []);
      return local.length + Uploads.length;
    },
    keys: (kind) => readdir(join(s3.folderOf(bucket), prefix, kind)).catch(() => []),
  };
}

artifactSuite('s3', place);

describe('s3: what several machines share', () => {
  test('an artifact has the digest that it has on a disk', async () => {
    const files = { 'parts/0.parquet': randomBytes(100_000), 'parts/1.parquet': 'x', empty: '' };
    const meta = { rows: 7, columns: [{ name: 'größe' }] };
    const disk = await write(await openDiskArtifactStore(await mkdtemp(join(root, 'disk-'))), files, meta);
    const shared = await place();
    const artifact = await write(await shared.open(), files, meta);
    expect(artifact.digest).toBe(disk.digest);
    expect(artifact.manifest).toEqual(disk.manifest);
    expect(await readFile(join(artifact.directory, 'manifest.json'))).toEqual(
      await readFile(join(disk.directory, 'manifest.json')),
    );
  });

  test('what one machine writes another one reads, each file as it was and read-only', async () => {
    const shared = await place();
    const files = { 'a/b/c': randomBytes(70_000), 'a/d': 'same', e: 'same', f: '' };
    const written = await write(await shared.open(), files, { rows: 1 });
    const elsewhere = await shared.openElsewhere();
    expect(await elsewhere.isWhole(written.digest)).toBe(true);
    const [read, again] = await Promise.all([elsewhere.open(written.digest), elsewhere.open(written.digest)]);
    expect(again).toEqual(read);
    expect(read.manifest).toEqual(written.manifest);
    expect(read.directory).not.toBe(written.directory);
    for (const [path, content] of Object.entries(files)) {
      expect(await readFile(join(read.directory, path))).toEqual(Buffer.from(content));
      expect((await stat(join(read.directory, path))).mode & 0o222).toBe(0);
    }
  });

  test('equal files are stored once, in one artifact and over several', async () => {
    const shared = await place();
    const progress: UploadProgress[] = [];
    const first = await shared.openElsewhere((made) => progress.push(made));
    await write(first, { a: 'same', b: 'same', c: 'own' });
    expect(await shared.keys('blobs')).toHaveLength(2);
    expect(progress.at(-1)).toEqual({ sentBytes: 7, totalBytes: 7 });
    progress.length = 0;
    const other = await shared.openElsewhere((made) => progress.push(made));
    await write(other, { x: 'same', y: 'new' });
    expect(await shared.keys('blobs')).toHaveLength(3);
    expect(progress).toEqual([{ sentBytes: 3, totalBytes: 3 }]);
    expect(await shared.keys('manifests')).toHaveLength(2);
  });

  test('16 machines that write one artifact at once leave one, whole', async () => {
    const shared = await place();
    const files = Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`${index}`, randomBytes(50_000)]));
    const stores = await Promise.all(Array.from({ length: 16 }, () => shared.openElsewhere()));
    const artifacts = await Promise.all(stores.map((store) => write(store, files, { rows: 12 })));
    const digests = new Set(artifacts.map(({ digest }) => digest));
    expect(digests.size).toBe(1);
    expect(await shared.keys('manifests')).toEqual([...digests]);
    expect(await shared.keys('blobs')).toHaveLength(12);
    await (await shared.openElsewhere()).verify(artifacts[0]!.digest);
    for (const { directory } of artifacts) expect((await readdir(directory)).length).toBe(13);
    expect(await shared.unfinished()).toBe(0);
  });

  test('a cached file that was cut, changed or taken away is fetched again', async () => {
    const shared = await place();
    const content = randomBytes(10_000);
    const store = await shared.open();
    const artifact = await write(store, { a: content, b: 'b' });
    const file = join(artifact.directory, 'a');
    await chmod(file, 0o644);
    await truncate(file, 5_000);
    expect(await store.isWhole(artifact.digest)).toBe(true);
    expect(await store.open(artifact.digest)).toEqual(artifact);
    expect(await readFile(file)).toEqual(content);
    await rm(file);
    await store.open(artifact.digest);
    expect(await readFile(file)).toEqual(content);
    // The size is right: reading it again finds it out.
    await chmod(file, 0o644);
    await writeFile(file, randomBytes(10_000));
    await store.verify(artifact.digest);
    expect(await readFile(file)).toEqual(content);
    await rm(join(artifact.directory, '..', '..'), { recursive: true });
    expect(await store.open(artifact.digest)).toEqual(artifact);
    expect(await shared.unfinished()).toBe(0);
  });

  test('is found damaged by a machine that never had it, which leaves nothing', async () => {
    const shared = await place();
    const artifact = await write(await shared.open(), { a: 'abc', b: 'def' });
    const object = { Bucket: bucket, Key: shared.keyOf(artifact, 'a') };
    await s3.client.send(new PutObjectCommand({ ...object, Body: 'abd' }));
    const elsewhere = await shared.openElsewhere();
    expect(await errorOf(elsewhere.open(artifact.digest))).toMatchObject({
      code: 'ARTIFACT_CORRUPT',
      message: `artifact ${artifact.digest}: expected a of sha256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad; received sha256 a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9. The stage that made it computes it again in the next run.`,
    });
    expect(await elsewhere.isWhole(artifact.digest)).toBe(false);
    await s3.client.send(new DeleteObjectCommand(object));
    expect(await elsewhere.isWhole(artifact.digest)).toBe(false);
    expect(await write(await shared.open(), { a: 'abc', b: 'def' })).toEqual(artifact);
    expect((await elsewhere.open(artifact.digest)).digest).toBe(artifact.digest);
  });

  test('a file of the right size whose digest is another one than its writer said goes up nowhere', async () => {
    const shared = await place();
    const store = await shared.open();
    for (const bytes of [3, 9_000_000]) {
      const writer = await store.create('feed');
      const content = Buffer.alloc(bytes, 'x');
      await writeFile(join(writer.directory, 'a'), content);
      const sha256 = 'a'.repeat(64);
      const error = await errorOf(writer.commit({}, new Map([['a', { bytes, sha256 }]])));
      expect(error.message).toMatch(
        /^artifact of kind feed: a: expected sha256 a{64}, as the writer computed; received sha256 [0-9a-f]{64}\.$/,
      );
    }
    expect(await shared.keys('manifests')).toEqual([]);
    expect(await shared.keys('blobs')).toEqual([]);
    expect(await shared.unfinished()).toBe(0);
  });

  test('200 MB go up in parts, with progress, and come down as they were', async () => {
    const shared = await place();
    const progress: UploadProgress[] = [];
    const store = await shared.openElsewhere((made) => progress.push(made));
    const size = 200_000_000;
    const block = randomBytes(1_000_003);
    const content = Buffer.concat(Array.from({ length: 200 }, () => block)).subarray(0, size);
    const artifact = await write(store, { 'part.bin': content });
    const { ETag, ContentLength } = await s3.client.send(
      new HeadObjectCommand({ Bucket: bucket, Key: shared.keyOf(artifact, 'part.bin') }),
    );
    expect(ContentLength).toBe(size);
    expect(ETag).toMatch(/-24"$/);
    expect(progress).toHaveLength(24);
    expect(progress.at(-1)).toEqual({ sentBytes: size, totalBytes: size });
    const read = await (await shared.openElsewhere()).open(artifact.digest);
    expect((await readFile(join(read.directory, 'part.bin'))).equals(content)).toBe(true);
    expect(await shared.unfinished()).toBe(0);
  });
});
