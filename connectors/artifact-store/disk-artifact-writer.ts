import { mkdir, open, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type {
  Artifact,
  ArtifactFile,
  ArtifactKind,
  ArtifactManifest,
  ArtifactWriter,
} from '../../pipelines/contracts/artifacts.js';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { Json } from '../../pipelines/contracts/json.js';
import { describeDiskError, errorCode } from './disk-errors.js';
import { forEachParallel, hashHandle } from './file-hash.js';
import { checkFileName, manifestName } from './file-names.js';
import { digestBytes, encodeManifest } from './manifest.js';
import { createOwned } from './owned-directory.js';

/** What a writer needs of its store. */
export interface Shelf {
  readonly temporary: string;
  placeOf(digest: string): string;
  /** Whether an artifact of this digest is there with every byte as it was. */
  isIntact(digest: string): Promise<boolean>;
}

type Known = ReadonlyMap<string, { bytes: number; sha256: string }>;

const parallelFiles = 4;

export class DiskArtifactWriter implements ArtifactWriter {
  readonly kind: ArtifactKind;
  readonly directory: string;
  readonly #shelf: Shelf;
  readonly #flushes = new Map<string, Promise<void>>();
  #isOpen = true;

  private constructor(shelf: Shelf, kind: ArtifactKind, directory: string) {
    this.#shelf = shelf;
    this.kind = kind;
    this.directory = directory;
  }

  static async create(shelf: Shelf, kind: ArtifactKind): Promise<DiskArtifactWriter> {
    try {
      return new DiskArtifactWriter(shelf, kind, await createOwned(shelf.temporary));
    } catch (error) {
      throw describeDiskError(error, shelf.temporary);
    }
  }

  flush(path: string): void {
    const flushing = flushFile(join(this.directory, path));
    // The commit throws it.
    flushing.catch(() => {});
    this.#flushes.set(path, flushing);
  }

  async commit(meta: Json, known: Known = new Map()): Promise<Artifact> {
    if (!this.#isOpen) {
      throw new MillraceError('INTERNAL', {
        path: `artifact writer of a ${this.kind}`,
        expected: 'one commit or discard',
        received: 'a commit after it',
      });
    }
    this.#isOpen = false;
    try {
      return await this.#publish(meta, known);
    } catch (error) {
      await Promise.allSettled(this.#flushes.values());
      await rm(this.directory, { recursive: true, force: true });
      throw describeDiskError(error, this.directory);
    }
  }

  async discard(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await Promise.allSettled(this.#flushes.values());
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Everything is on the disk before the rename makes it visible, and the rename before it is confirmed. */
  async #publish(meta: Json, known: Known): Promise<Artifact> {
    const { files: paths, directories } = await this.#walk();
    const written = new Set(paths);
    for (const path of [...known.keys(), ...this.#flushes.keys()]) {
      if (!written.has(path)) throw this.#unforeseen(path, 'a file that was written', 'none');
    }
    const files: ArtifactFile[] = [];
    await forEachParallel(paths, parallelFiles, async (path) => {
      files.push(await this.#describe(path, known.get(path)));
    });
    files.sort((a, b) => (a.path < b.path ? -1 : 1));
    const manifest: ArtifactManifest = { formatVersion: 1, kind: this.kind, files, meta };
    const bytes = encodeManifest(manifest);
    const digest = digestBytes(bytes);
    const place = this.#shelf.placeOf(digest);
    if (await this.#shelf.isIntact(digest)) {
      await rm(this.directory, { recursive: true, force: true });
      // Its writer may not have come to this yet, and ours confirms it now.
      await syncPath(dirname(place));
      return { digest, manifest, directory: place };
    }
    await Promise.all([
      writeDurably(join(this.directory, manifestName), bytes),
      forEachParallel(paths, parallelFiles, (path) => this.#flushes.get(path) ?? syncPath(join(this.directory, path))),
    ]);
    await forEachParallel(directories, parallelFiles, syncPath);
    await mkdir(dirname(place), { recursive: true });
    await this.#moveTo(place, digest);
    await Promise.all([syncPath(dirname(place)), syncPath(dirname(dirname(place)))]);
    return { digest, manifest, directory: place };
  }

  async #moveTo(place: string, digest: string): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await rename(this.directory, place);
      } catch (error) {
        const isTaken = errorCode(error) === 'ENOTEMPTY' || errorCode(error) === 'EEXIST';
        if (!isTaken || attempt === 3) throw error;
      }
      // Another writer came first: its bytes are ours. What is damaged there goes aside, and ours takes the place.
      if (await this.#shelf.isIntact(digest)) return await rm(this.directory, { recursive: true, force: true });
      const aside = join(await createOwned(this.#shelf.temporary), 'damaged');
      await rename(place, aside).catch(ignoreMissing);
      await rm(dirname(aside), { recursive: true, force: true });
    }
  }

  async #walk(): Promise<{ readonly files: readonly string[]; readonly directories: readonly string[] }> {
    const files: string[] = [];
    const directories: string[] = [];
    const visit = async (directory: string, prefix: string): Promise<boolean> => {
      let isEmpty = true;
      for (const entry of await readdir(directory, { withFileTypes: true })) {
        const path = `${prefix}${entry.name}`;
        if (entry.isDirectory()) {
          if (await visit(join(directory, entry.name), `${path}/`)) isEmpty = false;
          else await rmdir(join(directory, entry.name));
          continue;
        }
        checkFileName(path);
        if (!entry.isFile()) {
          throw this.#unforeseen(path, 'a regular file', entry.isSymbolicLink() ? 'a symbolic link' : 'a special file');
        }
        files.push(path);
        isEmpty = false;
      }
      if (!isEmpty || directory === this.directory) directories.push(directory);
      return !isEmpty;
    };
    await visit(this.directory, '');
    return { files: files.sort(), directories };
  }

  /** Makes one file read-only and hashes it, unless the writer already did. */
  async #describe(path: string, known: { bytes: number; sha256: string } | undefined): Promise<ArtifactFile> {
    const handle = await open(join(this.directory, path), 'r');
    try {
      const { size } = await handle.stat();
      if (known !== undefined && known.bytes !== size) {
        throw this.#unforeseen(path, `${known.bytes} bytes, as the writer counted`, `${size} bytes`);
      }
      const { bytes, sha256 } = known ?? (await hashHandle(handle));
      await handle.chmod(0o444);
      return { path, bytes, sha256 };
    } finally {
      await handle.close();
    }
  }

  #unforeseen(path: string, expected: string, received: string): MillraceError {
    return new MillraceError('INTERNAL', { path: `artifact of kind ${this.kind}: ${path}`, expected, received });
  }
}

function ignoreMissing(error: unknown): void {
  if (errorCode(error) !== 'ENOENT') throw error;
}

async function writeDurably(path: string, bytes: Buffer): Promise<void> {
  const handle = await open(path, 'wx', 0o444);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** As a commit leaves it: read-only and on the disk. */
async function flushFile(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.chmod(0o444);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
