import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Artifact } from '../../pipelines/contracts/artifacts.js';
import { errorCode } from './disk-errors.js';
import { forEachParallel } from './file-hash.js';
import { manifestName } from './file-names.js';
import type { SealedArtifact } from './local-artifact-writer.js';
import { createOwned } from './owned-directory.js';

/** Where artifacts lie on a disk. */
export interface Shelf {
  readonly temporary: string;
  placeOf(digest: string): string;
  /** Whether an artifact of this digest is there with every byte as it was. */
  isIntact(digest: string): Promise<boolean>;
}

const parallelFiles = 4;

/**
 * Moves an artifact to its place, where it becomes visible whole. Everything is on the disk before the rename, and the
 * rename before it is confirmed. One that is there already with all its bytes stays; a damaged one is replaced.
 */
export async function shelve(shelf: Shelf, sealed: SealedArtifact): Promise<Artifact> {
  const { digest, manifest, manifestBytes, directory, flushes } = sealed;
  const place = shelf.placeOf(digest);
  if (await shelf.isIntact(digest)) {
    await rm(directory, { recursive: true, force: true });
    // Its writer may not have come to this yet, and ours confirms it now.
    await syncPath(dirname(place));
    return { digest, manifest, directory: place };
  }
  const paths = manifest.files.map(({ path }) => path);
  await Promise.all([
    writeDurably(join(directory, manifestName), manifestBytes),
    forEachParallel(paths, parallelFiles, (path) => flushes.get(path) ?? syncPath(join(directory, path))),
  ]);
  await forEachParallel(directoriesOf(paths), parallelFiles, (path) => syncPath(join(directory, path)));
  await mkdir(dirname(place), { recursive: true });
  await moveTo(shelf, directory, digest);
  await Promise.all([syncPath(dirname(place)), syncPath(dirname(dirname(place)))]);
  return { digest, manifest, directory: place };
}

async function moveTo(shelf: Shelf, directory: string, digest: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await rename(directory, shelf.placeOf(digest));
    } catch (error) {
      const isTaken = errorCode(error) === 'ENOTEMPTY' || errorCode(error) === 'EEXIST';
      if (!isTaken || attempt === 3) throw error;
    }
    // Another writer came first: its bytes are ours. What is damaged there goes aside, and ours takes the place.
    if (await shelf.isIntact(digest)) return await rm(directory, { recursive: true, force: true });
    const aside = join(await createOwned(shelf.temporary), 'damaged');
    await rename(shelf.placeOf(digest), aside).catch(ignoreMissing);
    await rm(dirname(aside), { recursive: true, force: true });
  }
}

/** The root, '', and every directory that holds a file or another directory. */
function directoriesOf(paths: readonly string[]): readonly string[] {
  const found = new Set(['']);
  for (const path of paths) {
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) found.add(path.slice(0, at));
  }
  return [...found];
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

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
