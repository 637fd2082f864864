import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { chmod, copyFile, mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { ArtifactFile, ArtifactManifest } from '../../pipelines/contracts/artifacts.js';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import { succeeds } from './disk-artifact-store.js';
import { describeDiskError } from './disk-errors.js';
import { forEachParallel } from './file-hash.js';
import type { SealedArtifact } from './local-artifact-writer.js';
import { corrupt, decodeManifest, digestBytes, missing } from './manifest.js';
import { partBytes, type S3Bucket } from './s3-bucket.js';
import { Slots } from './slots.js';

const parallelObjects = 8;
const parallelLargeUploads = 2;
const maxManifestBytes = 64 * 1024 * 1024;

/** How far a commit has come: of the bytes that the bucket did not have yet. */
export interface UploadProgress {
  readonly sentBytes: number;
  readonly totalBytes: number;
}

interface Found {
  readonly bytes: number;
  /** null where the size is another one already. */
  readonly sha256: string | null;
}

/**
 * Artifacts in a bucket: `blobs/<sha256>` holds the bytes of files, `manifests/<digest>` what makes them an artifact.
 * An artifact is there once its manifest is, which is written last.
 */
export class S3Shelf {
  readonly #bucket: S3Bucket;
  readonly #onUpload: ((progress: UploadProgress) => void) | null;
  /** Of the whole store, however many artifacts are read and written at once. */
  readonly #objects = new Slots(parallelObjects);
  readonly #largeUploads = new Slots(parallelLargeUploads);

  constructor(bucket: S3Bucket, onUpload: ((progress: UploadProgress) => void) | null) {
    this.#bucket = bucket;
    this.#onUpload = onUpload;
  }

  /** @throws ARTIFACT_MISSING, ARTIFACT_CORRUPT */
  async manifest(digest: string): Promise<{ readonly manifest: ArtifactManifest; readonly manifestBytes: Buffer }> {
    const manifestBytes = await this.#readManifest(digest);
    if (manifestBytes === null) throw missing(digest);
    return { manifest: decodeManifest(digest, manifestBytes), manifestBytes };
  }

  /** Whether manifest and files are there in their sizes; reads the manifest and asks once a file. */
  async isWhole(digest: string): Promise<boolean> {
    return await succeeds(
      (async () => {
        const { manifest } = await this.manifest(digest);
        await this.#forEachBlob(manifest.files, async (file) => {
          if (!(await this.#isThere(file))) throw missing(digest);
        });
      })(),
    );
  }

  /** Reads every byte. @throws ARTIFACT_MISSING, ARTIFACT_CORRUPT */
  async verify(digest: string): Promise<void> {
    const { manifest } = await this.manifest(digest);
    await this.#forEachBlob(manifest.files, async (file) => {
      requireWhole(digest, file, await this.#readBlob(file, null));
    });
  }

  /** Fetches the files into an empty directory, hashed on their way. @throws ARTIFACT_CORRUPT, DISK_FULL */
  async download(digest: string, manifest: ArtifactManifest, directory: string): Promise<void> {
    const first = new Map<string, string>();
    for (const { path, sha256 } of manifest.files) {
      await mkdir(dirname(join(directory, path)), { recursive: true });
      if (!first.has(sha256)) first.set(sha256, path);
    }
    await this.#forEachBlob(manifest.files, async (file) => {
      const target = join(directory, file.path);
      requireWhole(digest, file, await this.#readBlob(file, target));
      await chmod(target, 0o444);
    });
    for (const { path, sha256 } of manifest.files) {
      const source = first.get(sha256);
      if (source !== undefined && source !== path) await copyFile(join(directory, source), join(directory, path));
    }
  }

  /**
   * Uploads what the bucket lacks, and the manifest last. Where the artifact is there already, every byte of it is
   * read, and what is damaged is written anew: a result that is computed again mends the first one.
   */
  async publish({ digest, manifest, manifestBytes, directory }: SealedArtifact): Promise<void> {
    const before = await this.#readManifest(digest);
    const absent: ArtifactFile[] = [];
    await this.#forEachBlob(manifest.files, async (file) => {
      const isThere = before === null ? await this.#isThere(file) : await this.#isIntact(file);
      if (!isThere) absent.push(file);
    });
    await this.#uploadAll(manifest, absent, directory);
    if (before !== null && digestBytes(before) === digest) return;
    // 'taken' is as good: what has this name has these bytes.
    await this.#bucket.put(manifestKey(digest), manifestBytes, digest, before === null ? 'new' : 'replace');
  }

  list(): AsyncIterable<string> {
    return this.#bucket.list('manifests/');
  }

  async #uploadAll(manifest: ArtifactManifest, files: readonly ArtifactFile[], directory: string): Promise<void> {
    const totalBytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
    let sentBytes = 0;
    const counter = (): ((sent: number) => void) => {
      let before = 0;
      return (sent) => {
        sentBytes += sent - before;
        before = sent;
        this.#onUpload?.({ sentBytes, totalBytes });
      };
    };
    const isSmall = ({ bytes }: ArtifactFile): boolean => bytes < partBytes;
    await forEachParallel(files.filter(isSmall), parallelObjects, (file) =>
      this.#objects.run(() => this.#uploadSmall(manifest, file, join(directory, file.path), counter())),
    );
    const large = files.filter((file) => !isSmall(file));
    await forEachParallel(large, parallelLargeUploads, (file) =>
      this.#largeUploads.run(() => this.#uploadLarge(manifest, file, join(directory, file.path), counter())),
    );
  }

  async #uploadSmall(
    manifest: ArtifactManifest,
    file: ArtifactFile,
    source: string,
    onSent: (bytes: number) => void,
  ): Promise<void> {
    const bytes = await readFile(source);
    requireUnchanged(manifest, file, digestBytes(bytes));
    await this.#bucket.put(blobKey(file), bytes, file.sha256, 'replace');
    onSent(file.bytes);
  }

  /** The digest is known before the last part is on its way: an object with other bytes is never completed. */
  #uploadLarge(
    manifest: ArtifactManifest,
    file: ArtifactFile,
    source: string,
    onSent: (bytes: number) => void,
  ): Promise<void> {
    const checked = async function* (): AsyncIterable<Uint8Array> {
      const hash = createHash('sha256');
      for await (const chunk of createReadStream(source, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>) {
        hash.update(chunk);
        yield chunk;
      }
      requireUnchanged(manifest, file, hash.digest('hex'));
    };
    return this.#bucket.upload(blobKey(file), file.bytes, checked, onSent);
  }

  async #readManifest(digest: string): Promise<Buffer | null> {
    return await this.#bucket.read(manifestKey(digest), async (body, bytes) => {
      if (bytes > maxManifestBytes) {
        throw corrupt(digest, `a manifest of at most ${maxManifestBytes} bytes`, `${bytes} bytes`);
      }
      const chunks: Uint8Array[] = [];
      for await (const chunk of body) chunks.push(chunk);
      return Buffer.concat(chunks);
    });
  }

  async #isThere({ bytes, sha256, ...file }: ArtifactFile): Promise<boolean> {
    const state = await this.#bucket.head(blobKey({ sha256, ...file }));
    return state !== null && state.bytes === bytes && (state.sha256 === null || state.sha256 === sha256);
  }

  async #isIntact(file: ArtifactFile): Promise<boolean> {
    const found = await this.#readBlob(file, null);
    return found !== null && found.bytes === file.bytes && found.sha256 === file.sha256;
  }

  /** @param target - where the bytes go; null where they are hashed alone. */
  #readBlob(file: ArtifactFile, target: string | null): Promise<Found | null> {
    return this.#bucket.read(blobKey(file), async (body, bytes): Promise<Found> => {
      if (bytes !== file.bytes) return { bytes, sha256: null };
      const hash = createHash('sha256');
      let count = 0;
      const counted = async function* (): AsyncIterable<Uint8Array> {
        for await (const chunk of body) {
          hash.update(chunk);
          count += chunk.length;
          yield chunk;
        }
      };
      if (target === null) for await (const _ of counted());
      else await writeFileFrom(counted, target);
      return { bytes: count, sha256: hash.digest('hex') };
    });
  }

  /** Once for every content, bounded. */
  #forEachBlob(files: readonly ArtifactFile[], task: (file: ArtifactFile) => Promise<void>): Promise<void> {
    const byContent = new Map<string, ArtifactFile>();
    for (const file of files) if (!byContent.has(file.sha256)) byContent.set(file.sha256, file);
    return forEachParallel([...byContent.values()], parallelObjects, (file) => this.#objects.run(() => task(file)));
  }
}

function blobKey({ sha256 }: Pick<ArtifactFile, 'sha256'>): string {
  return `blobs/${sha256}`;
}

function manifestKey(digest: string): string {
  return `manifests/${digest}`;
}

async function writeFileFrom(source: () => AsyncIterable<Uint8Array>, target: string): Promise<void> {
  try {
    await pipeline(source, createWriteStream(target, { mode: 0o600 }));
  } catch (error) {
    throw describeDiskError(error, dirname(target));
  }
}

function requireWhole(digest: string, { path, bytes, sha256 }: ArtifactFile, found: Found | null): void {
  if (found === null) throw corrupt(digest, `the file ${path}`, 'none');
  if (found.bytes !== bytes) throw corrupt(digest, `${bytes} bytes in ${path}`, `${found.bytes} bytes`);
  if (found.sha256 !== sha256) throw corrupt(digest, `${path} of sha256 ${sha256}`, `sha256 ${found.sha256}`);
}

function requireUnchanged({ kind }: ArtifactManifest, { path, sha256 }: ArtifactFile, actual: string): void {
  if (actual === sha256) return;
  throw new MillraceError('INTERNAL', {
    path: `artifact of kind ${kind}: ${path}`,
    expected: `sha256 ${sha256}, as the writer computed`,
    received: `sha256 ${actual}`,
  });
}
