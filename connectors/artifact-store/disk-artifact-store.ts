import { lstat, mkdir, readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Artifact, ArtifactFile, ArtifactKind, ArtifactStore } from '../../pipelines/contracts/artifacts.js';
import { describeDiskError, errorCode } from './disk-errors.js';
import { forEachParallel, hashFile } from './file-hash.js';
import { checkDigest, isDigest, manifestName } from './file-names.js';
import { LocalArtifactWriter } from './local-artifact-writer.js';
import { corrupt, decodeManifest, missing } from './manifest.js';
import { sweepOwned } from './owned-directory.js';
import { type Shelf, shelve } from './shelve-artifact.js';

const parallelFiles = 4;

export class DiskArtifactStore implements ArtifactStore, Shelf {
  readonly temporary: string;
  readonly #artifacts: string;

  private constructor(root: string) {
    this.#artifacts = join(root, 'artifacts');
    this.temporary = join(root, 'tmp');
  }

  static async open(root: string): Promise<DiskArtifactStore> {
    const store = new DiskArtifactStore(resolve(root));
    try {
      await mkdir(store.#artifacts, { recursive: true });
      await mkdir(store.temporary, { recursive: true });
    } catch (error) {
      throw describeDiskError(error, store.#artifacts);
    }
    return store;
  }

  placeOf(digest: string): string {
    return join(this.#artifacts, digest.slice(0, 2), digest);
  }

  create(kind: ArtifactKind): Promise<LocalArtifactWriter> {
    return LocalArtifactWriter.create(kind, this.temporary, (sealed) => shelve(this, sealed));
  }

  async open(digest: string): Promise<Artifact> {
    checkDigest(digest);
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
      throw missing(digest, error);
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

/** False where the check finds the artifact missing or damaged; other errors stay. */
export async function succeeds(check: Promise<unknown>): Promise<boolean> {
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
export function openDiskArtifactStore(root: string): Promise<ArtifactStore> {
  return DiskArtifactStore.open(root);
}
