import { lstat, mkdir, readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Artifact, ArtifactFile, ArtifactKind, ArtifactStore } from '../../pipelines/contracts/artifacts.js';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import { DiskArtifactWriter, type Shelf } from './disk-artifact-writer.js';
import { describeDiskError, errorCode } from './disk-errors.js';
import { forEachParallel, hashFile } from './file-hash.js';
import { isDigest, manifestName } from './file-names.js';
import { corrupt, decodeManifest } from './manifest.js';
import { sweepOwned } from './owned-directory.js';

const parallelFiles = 4;

class DiskArtifactStore implements ArtifactStore, Shelf {
  readonly temporary: string;
  readonly #artifacts: string;

  constructor(root: string) {
    this.#artifacts = join(root, 'artifacts');
    this.temporary = join(root, 'tmp');
  }

  async prepare(): Promise<void> {
    try {
      await mkdir(this.#artifacts, { recursive: true });
      await mkdir(this.temporary, { recursive: true });
    } catch (error) {
      throw describeDiskError(error, this.#artifacts);
    }
  }

  placeOf(digest: string): string {
    return join(this.#artifacts, digest.slice(0, 2), digest);
  }

  create(kind: ArtifactKind): Promise<DiskArtifactWriter> {
    return DiskArtifactWriter.create(this, kind);
  }

  async open(digest: string): Promise<Artifact> {
    if (!isDigest(digest)) {
      throw new MillraceError('NAME_INVALID', {
        path: 'artifact',
        expected: 'a digest of 64 hexadecimal digits',
        received: JSON.stringify(digest.length > 70 ? `${digest.slice(0, 70)}…` : digest),
      });
    }
    const directory = this.placeOf(digest);
    const manifest = decodeManifest(digest, await this.#readManifest(digest, directory));
    await Promise.all(manifest.files.map((file) => this.#checkSize(digest, directory, file)));
    return { digest, manifest, directory };
  }

  isWhole(digest: string): Promise<boolean> {
    return succeeds(this.open(digest));
  }

  isIntact(digest: string): Promise<boolean> {
    return succeeds(this.verify(digest));
  }

  async verify(digest: string): Promise<void> {
    const { manifest, directory } = await this.open(digest);
    await forEachParallel(manifest.files, parallelFiles, async ({ path, sha256 }) => {
      const actual = await hashFile(join(directory, path));
      if (actual.sha256 !== sha256) throw corrupt(digest, `${path} of sha256 ${sha256}`, `sha256 ${actual.sha256}`);
    });
  }

  async *list(): AsyncIterable<string> {
    for (const shelf of (await readdir(this.#artifacts)).sort()) {
      if (!/^[0-9a-f]{2}$/.test(shelf)) continue;
      for (const digest of (await readdir(join(this.#artifacts, shelf))).sort()) {
        if (isDigest(digest)) yield digest;
      }
    }
  }

  async sweep(): Promise<number> {
    try {
      return await sweepOwned(this.temporary);
    } catch (error) {
      throw describeDiskError(error, this.temporary);
    }
  }

  async #readManifest(digest: string, directory: string): Promise<Buffer> {
    try {
      return await readFile(join(directory, manifestName));
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw describeDiskError(error, directory);
      throw new MillraceError('ARTIFACT_MISSING', {
        path: `artifact ${digest}`,
        expected: 'an artifact in this store',
        received: 'none of this digest',
        hint: 'The stage that made it computes it again in the next run.',
        cause: error,
      });
    }
  }

  async #checkSize(digest: string, directory: string, file: ArtifactFile): Promise<void> {
    try {
      const found = await lstat(join(directory, file.path));
      if (!found.isFile()) throw corrupt(digest, `${file.path} as a regular file`, 'something else');
      if (found.size !== file.bytes)
        throw corrupt(digest, `${file.bytes} bytes in ${file.path}`, `${found.size} bytes`);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT' && errorCode(error) !== 'ENOTDIR') throw describeDiskError(error, directory);
      throw corrupt(digest, `the file ${file.path}`, 'none', error);
    }
  }
}

async function succeeds(check: Promise<unknown>): Promise<boolean> {
  try {
    await check;
    return true;
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ARTIFACT_MISSING' || code === 'ARTIFACT_CORRUPT') return false;
    throw error;
  }
}

/**
 * Opens the artifact store of a directory, which is made where it is missing.
 * `artifacts/<first 2 digits>/<digest>/` holds the files and `manifest.json`; `tmp/` what is being written.
 *
 * @throws STORE_UNREADABLE, DISK_FULL
 */
export async function openDiskArtifactStore(root: string): Promise<ArtifactStore> {
  const store = new DiskArtifactStore(resolve(root));
  await store.prepare();
  return store;
}
