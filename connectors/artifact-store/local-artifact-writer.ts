import { open, readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import type {
  Artifact,
  ArtifactFile,
  ArtifactKind,
  ArtifactManifest,
  ArtifactWriter,
} from '../../pipelines/contracts/artifacts.js';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { Json } from '../../pipelines/contracts/json.js';
import { describeDiskError } from './disk-errors.js';
import { forEachParallel, hashHandle } from './file-hash.js';
import { checkFileName } from './file-names.js';
import { digestBytes, encodeManifest } from './manifest.js';
import { createOwned } from './owned-directory.js';

/** A written artifact that is named and not yet visible: its files are hashed, read-only and complete. */
export interface SealedArtifact {
  readonly digest: string;
  readonly manifest: ArtifactManifest;
  readonly manifestBytes: Buffer;
  /** Holds the files and nothing else; whoever publishes it takes it away. */
  readonly directory: string;
  /** Files that are on the disk already, or on their way to it, by path. */
  readonly flushes: ReadonlyMap<string, Promise<void>>;
}

type Known = ReadonlyMap<string, { bytes: number; sha256: string }>;

const parallelFiles = 4;

/** Writes into a local directory of its own, names what was written, and hands it to its store to publish. */
export class LocalArtifactWriter implements ArtifactWriter {
  readonly kind: ArtifactKind;
  readonly directory: string;
  readonly #publish: (sealed: SealedArtifact) => Promise<Artifact>;
  readonly #flushes = new Map<string, Promise<void>>();
  #isOpen = true;

  private constructor(kind: ArtifactKind, directory: string, publish: (sealed: SealedArtifact) => Promise<Artifact>) {
    this.kind = kind;
    this.directory = directory;
    this.#publish = publish;
  }

  /** @param temporary - where its directory is made, on the file system of the place it moves to. */
  static async create(
    kind: ArtifactKind,
    temporary: string,
    publish: (sealed: SealedArtifact) => Promise<Artifact>,
  ): Promise<LocalArtifactWriter> {
    try {
      return new LocalArtifactWriter(kind, await createOwned(temporary), publish);
    } catch (error) {
      throw describeDiskError(error, temporary);
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
      return await this.#publish(await this.#seal(meta, known));
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

  async #seal(meta: Json, known: Known): Promise<SealedArtifact> {
    const paths = await this.#walk();
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
    const manifestBytes = encodeManifest(manifest);
    const digest = digestBytes(manifestBytes);
    return { digest, manifest, manifestBytes, directory: this.directory, flushes: this.#flushes };
  }

  /** Paths of all files; empty directories are taken away. */
  async #walk(): Promise<readonly string[]> {
    const files: string[] = [];
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
      return !isEmpty;
    };
    await visit(this.directory, '');
    return files.sort();
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
