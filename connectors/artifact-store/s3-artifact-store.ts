import { rm } from 'node:fs/promises';
import type { Artifact, ArtifactKind, ArtifactStore } from '../../pipelines/contracts/artifacts.js';
import { DiskArtifactStore } from './disk-artifact-store.js';
import { describeDiskError, errorCode } from './disk-errors.js';
import { checkDigest, isDigest } from './file-names.js';
import { LocalArtifactWriter, type SealedArtifact } from './local-artifact-writer.js';
import { createOwned } from './owned-directory.js';
import { S3Bucket } from './s3-bucket.js';
import { parseS3Address, type S3Address } from './s3-location.js';
import { S3Shelf, type UploadProgress } from './s3-shelf.js';
import { shelve } from './shelve-artifact.js';

/** No upload takes so long: its process is gone. */
const abandonedUploadMs = 24 * 60 * 60 * 1000;

export interface S3ArtifactStoreOptions extends S3Address {
  /** Holds what was read and written, whole artifacts by digest; several processes and stores may share one. */
  readonly cacheDirectory: string;
  /** Called while a commit uploads. */
  readonly onUpload?: (progress: UploadProgress) => void;
}

class S3ArtifactStore implements ArtifactStore {
  readonly #bucket: S3Bucket;
  readonly #shelf: S3Shelf;
  readonly #cache: DiskArtifactStore;
  /** What is being fetched: artifacts that are asked for twice at once are fetched once. */
  readonly #fetches = new Map<string, Promise<Artifact>>();
  /** What this process found whole in the bucket, put there, or found damaged while it read it; artifacts never change. */
  readonly #whole = new Map<string, Promise<boolean>>();

  constructor(bucket: S3Bucket, shelf: S3Shelf, cache: DiskArtifactStore) {
    this.#bucket = bucket;
    this.#shelf = shelf;
    this.#cache = cache;
  }

  create(kind: ArtifactKind): Promise<LocalArtifactWriter> {
    return LocalArtifactWriter.create(kind, this.#cache.temporary, (sealed) => this.#publish(sealed));
  }

  async open(digest: string): Promise<Artifact> {
    checkDigest(digest);
    const cached = await this.#cached(digest);
    return cached === null || cached === 'damaged' ? await this.#fetch(digest) : cached;
  }

  async isWhole(digest: string): Promise<boolean> {
    checkDigest(digest);
    const known = this.#whole.get(digest);
    if (known !== undefined && (await this.#cached(digest)) !== 'damaged') return await known;
    const asked = this.#shelf.isWhole(digest);
    this.#whole.set(digest, asked);
    const forget = (): void => {
      if (this.#whole.get(digest) === asked) this.#whole.delete(digest);
    };
    asked.then((isWhole) => (isWhole ? undefined : forget()), forget);
    return await asked;
  }

  /** Reads what the bucket has; a cached copy that is missing or damaged is replaced by what was read. */
  async verify(digest: string): Promise<void> {
    checkDigest(digest);
    this.#whole.delete(digest);
    if (!(await this.#cache.isIntact(digest))) {
      await this.#fetch(digest);
      return;
    }
    await this.#shelf.verify(digest).catch((error: unknown) => this.#remember(digest, error));
  }

  async *list(): AsyncIterable<string> {
    for await (const name of this.#shelf.list()) if (isDigest(name)) yield name;
  }

  /** Takes away what dead writers left on this machine, and uploads in parts that were abandoned a day ago. */
  async sweep(): Promise<number> {
    const local = await this.#cache.sweep();
    try {
      return local + (await this.#bucket.abortUploads(abandonedUploadMs));
    } catch (error) {
      // Who may not list or abort uploads may still read: a rule of the bucket, or somebody else, clears them.
      if (errorCode(error) === 'STORE_UNREADABLE') return local;
      throw error;
    }
  }

  async #publish(sealed: SealedArtifact): Promise<Artifact> {
    await this.#shelf.publish(sealed);
    this.#whole.set(sealed.digest, Promise.resolve(true));
    return await shelve(this.#cache, sealed);
  }

  /** null: the cache has none. A damaged one stays until what is fetched takes its place. */
  async #cached(digest: string): Promise<Artifact | 'damaged' | null> {
    try {
      return await this.#cache.open(digest);
    } catch (error) {
      if (errorCode(error) === 'ARTIFACT_MISSING') return null;
      if (errorCode(error) === 'ARTIFACT_CORRUPT') return 'damaged';
      throw error;
    }
  }

  #fetch(digest: string): Promise<Artifact> {
    const running = this.#fetches.get(digest);
    if (running !== undefined) return running;
    const fetching = this.#download(digest).finally(() => this.#fetches.delete(digest));
    this.#fetches.set(digest, fetching);
    return fetching;
  }

  async #download(digest: string): Promise<Artifact> {
    const { manifest, manifestBytes } = await this.#shelf.manifest(digest);
    let directory: string | null = null;
    try {
      directory = await createOwned(this.#cache.temporary);
      await this.#shelf.download(digest, manifest, directory);
      const artifact = await shelve(this.#cache, { digest, manifest, manifestBytes, directory, flushes: new Map() });
      this.#whole.set(digest, Promise.resolve(true));
      return artifact;
    } catch (error) {
      if (directory !== null) await rm(directory, { recursive: true, force: true });
      return this.#remember(digest, describeDiskError(error, this.#cache.temporary));
    }
  }

  /** What is damaged in its right size would else count as whole, and never be computed again. */
  #remember(digest: string, error: unknown): never {
    if (errorCode(error) === 'ARTIFACT_CORRUPT') this.#whole.set(digest, Promise.resolve(false));
    throw error;
  }
}

/**
 * Opens the artifact store in a bucket, through a cache on this machine. Credentials come from where the AWS SDK looks
 * for them: the environment, a profile, a role.
 *
 * @throws CONFIG_INVALID - no such form of an address.
 * @throws STORE_UNREADABLE - no bucket, no rights, credentials that are missing or unknown, the wrong region.
 * @throws SERVER_UNREACHABLE - nobody answers at the endpoint, or something that is no S3 server; within a minute.
 */
export async function openS3ArtifactStore(options: S3ArtifactStoreOptions): Promise<ArtifactStore> {
  const location = parseS3Address(options);
  const cache = await DiskArtifactStore.open(options.cacheDirectory);
  const bucket = await S3Bucket.open(location);
  return new S3ArtifactStore(bucket, new S3Shelf(bucket, options.onUpload ?? null), cache);
}
