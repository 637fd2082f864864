import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Artifact, ArtifactStore } from '../../../pipelines/contracts/artifacts.js';
import type { Json } from '../../../pipelines/contracts/json.js';
import { canonicalJson } from '../../../pipelines/plan/digest.js';
import { digest, errorOf } from './metadata-suite.js';

export interface ArtifactPlace {
  open(): Promise<ArtifactStore>;
  /** Changes a stored file behind the store's back; null takes it away. */
  damage(artifact: Artifact, path: string, content: string | null): Promise<void>;
  /** How many unfinished artifacts take up room. */
  unfinished(): Promise<number>;
}

const sha256 = (content: string | Uint8Array): string => createHash('sha256').update(content).digest('hex');

export async function write(
  store: ArtifactStore,
  files: Readonly<Record<string, string | Uint8Array>>,
  meta: Json = {},
): Promise<Artifact> {
  const writer = await store.create('value');
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(writer.directory, path, '..'), { recursive: true });
    await writeFile(join(writer.directory, path), content);
  }
  return await writer.commit(meta);
}

async function digests(store: ArtifactStore): Promise<string[]> {
  const found: string[] = [];
  for await (const name of store.list()) found.push(name);
  return found;
}

/** What every artifact store does. */
export function artifactSuite(name: string, place: () => Promise<ArtifactPlace>): void {
  describe(`${name}: artifacts`, () => {
    test('an empty store lists nothing, sweeps nothing and finds nothing', async () => {
      const store = await (await place()).open();
      expect(await digests(store)).toEqual([]);
      expect(await store.sweep()).toBe(0);
      const missing = digest();
      expect(await store.isWhole(missing)).toBe(false);
      const error = {
        code: 'ARTIFACT_MISSING',
        message: `artifact ${missing}: expected an artifact in this store; received none of this digest. The stage that made it computes it again in the next run.`,
      };
      expect(await errorOf(store.open(missing))).toMatchObject(error);
      expect(await errorOf(store.verify(missing))).toMatchObject(error);
    });

    test('is named by the sha256 of its manifest, whose files are sorted and hashed', async () => {
      const store = await (await place()).open();
      const large = Buffer.alloc(2_500_000, 'abc');
      const artifact = await write(store, { 'parts/b.bin': large, 'a.txt': 'größe', 'parts/empty': '' }, { rows: 3 });
      expect(artifact.manifest).toEqual({
        formatVersion: 1,
        kind: 'value',
        files: [
          { path: 'a.txt', bytes: 7, sha256: sha256('größe') },
          { path: 'parts/b.bin', bytes: 2_500_000, sha256: sha256(large) },
          { path: 'parts/empty', bytes: 0, sha256: sha256('') },
        ],
        meta: { rows: 3 },
      });
      expect(artifact.digest).toBe(sha256(canonicalJson(artifact.manifest)));
      expect(await store.open(artifact.digest)).toEqual(artifact);
      expect(await readFile(join(artifact.directory, 'a.txt'), 'utf8')).toBe('größe');
      expect(await digests(store)).toEqual([artifact.digest]);
      await store.verify(artifact.digest);
    });

    test('without files is an artifact too', async () => {
      const store = await (await place()).open();
      const writer = await store.create('plan');
      await mkdir(join(writer.directory, 'empty', 'nested'), { recursive: true });
      const artifact = await writer.commit(null);
      expect(artifact.manifest).toEqual({ formatVersion: 1, kind: 'plan', files: [], meta: null });
      expect(await store.isWhole(artifact.digest)).toBe(true);
    });

    test('of equal content is one, written again or by eight at once', async () => {
      const shared = await place();
      const store = await shared.open();
      const first = await write(store, { a: 'same' });
      const other = await shared.open();
      const more = await Promise.all(
        Array.from({ length: 8 }, (_, index) =>
          write(index % 2 === 0 ? store : other, { a: index < 4 ? 'same' : 'new' }),
        ),
      );
      expect(more.slice(0, 4)).toEqual(Array.from({ length: 4 }, () => first));
      expect(new Set(more.slice(4).map((artifact) => artifact.digest)).size).toBe(1);
      expect((await digests(store)).length).toBe(2);
      expect(await shared.unfinished()).toBe(0);
    });

    test('takes the digests that its writer computed, and refuses those that do not fit', async () => {
      const store = await (await place()).open();
      const writer = await store.create('feed');
      await writeFile(join(writer.directory, 'a'), 'abc');
      const artifact = await writer.commit({}, new Map([['a', { bytes: 3, sha256: sha256('abc') }]]));
      await store.verify(artifact.digest);
      const wrongSize = await store.create('feed');
      await writeFile(join(wrongSize.directory, 'a'), 'abc');
      expect(await errorOf(wrongSize.commit({}, new Map([['a', { bytes: 4, sha256: sha256('abc') }]])))).toMatchObject({
        code: 'INTERNAL',
        message: 'artifact of kind feed: a: expected 4 bytes, as the writer counted; received 3 bytes.',
      });
      const noFile = await store.create('feed');
      expect(await errorOf(noFile.commit({}, new Map([['b', { bytes: 0, sha256: sha256('') }]])))).toMatchObject({
        code: 'INTERNAL',
        message: 'artifact of kind feed: b: expected a file that was written; received none.',
      });
    });

    test('is committed or discarded once, and what was discarded leaves nothing', async () => {
      const shared = await place();
      const store = await shared.open();
      const writer = await store.create('value');
      await writeFile(join(writer.directory, 'a'), 'abc');
      expect(await shared.unfinished()).toBe(1);
      await writer.discard();
      await writer.discard();
      expect(await shared.unfinished()).toBe(0);
      expect(await errorOf(writer.commit({}))).toMatchObject({
        code: 'INTERNAL',
        message: 'artifact writer of a value: expected one commit or discard; received a commit after it.',
      });
      expect(await digests(store)).toEqual([]);
    });

    test('with a file that was sent to the disk before is whole, and one that is not there ends the commit', async () => {
      const shared = await place();
      const store = await shared.open();
      const writer = await store.create('value');
      await writeFile(join(writer.directory, 'a'), 'abc');
      writer.flush('a');
      const artifact = await writer.commit({});
      await store.verify(artifact.digest);
      expect((await stat(join(artifact.directory, 'a'))).mode & 0o222).toBe(0);
      const absent = await store.create('value');
      absent.flush('b');
      expect(await errorOf(absent.commit({}))).toMatchObject({
        code: 'INTERNAL',
        message: 'artifact of kind value: b: expected a file that was written; received none.',
      });
      const discarded = await store.create('value');
      discarded.flush('c');
      await discarded.discard();
      expect(await shared.unfinished()).toBe(0);
    });

    test('cannot be written to by accident', async () => {
      const store = await (await place()).open();
      const artifact = await write(store, { a: 'abc' });
      expect((await stat(join(artifact.directory, 'a'))).mode & 0o222).toBe(0);
    });

    test('with a changed, a shortened or a missing file is found out', async () => {
      const shared = await place();
      const store = await shared.open();
      const artifact = await write(store, { a: 'abc', b: 'def' });
      const text = (rest: string) =>
        `artifact ${artifact.digest}: expected ${rest}. The stage that made it computes it again in the next run.`;
      await shared.damage(artifact, 'a', 'abd');
      expect(await store.isWhole(artifact.digest)).toBe(true);
      expect(await errorOf(store.verify(artifact.digest))).toMatchObject({
        code: 'ARTIFACT_CORRUPT',
        message: text(`a of sha256 ${sha256('abc')}; received sha256 ${sha256('abd')}`),
      });
      // Computing it again mends it.
      expect(await write(store, { a: 'abc', b: 'def' })).toEqual(artifact);
      await store.verify(artifact.digest);
      await shared.damage(artifact, 'a', 'ab');
      expect(await store.isWhole(artifact.digest)).toBe(false);
      expect(await errorOf(store.open(artifact.digest))).toMatchObject({
        code: 'ARTIFACT_CORRUPT',
        message: text('3 bytes in a; received 2 bytes'),
      });
      await shared.damage(artifact, 'a', null);
      expect(await errorOf(store.open(artifact.digest))).toMatchObject({
        code: 'ARTIFACT_CORRUPT',
        message: text('the file a; received none'),
      });
      expect(await write(store, { a: 'abc', b: 'def' })).toEqual(artifact);
      await store.verify(artifact.digest);
      expect(await shared.unfinished()).toBe(0);
    });

    test('with a changed manifest is found out', async () => {
      const shared = await place();
      const store = await shared.open();
      const artifact = await write(store, { a: 'abc' });
      const forged = canonicalJson({ ...artifact.manifest, files: [{ path: '../../x', bytes: 1, sha256: digest() }] });
      await shared.damage(artifact, 'manifest.json', forged);
      expect(await errorOf(store.open(artifact.digest))).toMatchObject({
        code: 'ARTIFACT_CORRUPT',
        message: `artifact ${artifact.digest}: expected a manifest of this digest; received one of digest ${sha256(forged)}. The stage that made it computes it again in the next run.`,
      });
    });

    test('whose name is no digest is refused', async () => {
      const store = await (await place()).open();
      for (const bad of [
        '',
        '..',
        '../../etc/passwd',
        'A'.repeat(64),
        'a'.repeat(63),
        `${'a'.repeat(63)}\0`,
        'f'.repeat(300),
      ]) {
        const shown = JSON.stringify(bad.length > 70 ? `${bad.slice(0, 70)}…` : bad);
        expect(await errorOf(store.open(bad))).toMatchObject({
          code: 'NAME_INVALID',
          message: `artifact: expected a digest of 64 hexadecimal digits; received ${shown}.`,
        });
      }
    });

    test('with hostile file names or links is refused and leaves nothing', async () => {
      const shared = await place();
      const store = await shared.open();
      for (const [path, expected] of [
        [
          'a\\b',
          "a relative path of '/'-separated names of 1 to 255 bytes, without '.', '..', backslashes and control characters",
        ],
        [
          'a\nb',
          "a relative path of '/'-separated names of 1 to 255 bytes, without '.', '..', backslashes and control characters",
        ],
        ['manifest.json', 'a file that is not named manifest.json'],
      ] as const) {
        expect(await errorOf(write(store, { [path]: 'x' }))).toMatchObject({
          code: 'NAME_INVALID',
          message: `artifact: expected ${expected}; received ${JSON.stringify(path)}. Choose another name.`,
        });
      }
      const writer = await store.create('value');
      await symlink('/etc/passwd', join(writer.directory, 'link'));
      expect(await errorOf(writer.commit({}))).toMatchObject({
        code: 'INTERNAL',
        message: 'artifact of kind value: link: expected a regular file; received a symbolic link.',
      });
      expect(await digests(store)).toEqual([]);
      expect(await shared.unfinished()).toBe(0);
    });

    test('with 500 files is whole', async () => {
      const store = await (await place()).open();
      const files = Object.fromEntries(
        Array.from({ length: 500 }, (_, index) => [`p/${index % 7}/${index}`, `${index}`]),
      );
      const artifact = await write(store, files);
      expect(artifact.manifest.files).toHaveLength(500);
      await store.verify(artifact.digest);
      expect((await readdir(join(artifact.directory, 'p'))).sort()).toEqual(['0', '1', '2', '3', '4', '5', '6']);
    });
  });
}
