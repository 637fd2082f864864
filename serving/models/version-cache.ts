import { performance } from 'node:perf_hooks';
import type { ArtifactStore } from '../../pipelines/contracts/artifacts.js';
import { isMillraceError, MillraceError } from '../../pipelines/contracts/errors.js';
import type { InferenceEngine } from '../../pipelines/contracts/infer.js';
import type { ModelVersion } from '../../pipelines/contracts/registry.js';
import type { BatchLimits } from './batcher.js';
import { readBundle } from './bundle.js';
import { LoadedVersion } from './loaded-version.js';
import { openWarmSession, type RunPlacement } from './warm-session.js';

export interface VersionCacheOptions extends RunPlacement, Omit<BatchLimits, 'onBatch'> {
  readonly artifacts: ArtifactStore;
  readonly infer: InferenceEngine;
  /** Versions that stay loaded though no endpoint is bound to them: what was served last, and what clients ask for by number. */
  readonly idleVersions: number;
  readonly log: (message: string) => void;
  readonly observer: CacheObserver;
}

/** Who counts what the versions do. */
export interface CacheObserver {
  batchRan(version: ModelName, rows: number, ms: number): void;
  versionLoaded(version: ModelName, isLoaded: boolean, ms: number): void;
}

type ModelName = Pick<ModelVersion, 'model' | 'version'>;

/** Loads that may wait for their turn; more requests for versions that are not loaded are refused. */
const MAX_WAITING_LOADS = 16;
/** How long a failed load is remembered, so that a broken bundle is not read for every request. */
const FAILURE_MS = 5000;

const nameOf = (version: ModelName): string => `${version.model}/${version.version}`;

/** The versions in memory: those that endpoints serve, pinned, and a bounded number of others, least recently used first out. */
export class VersionCache {
  readonly #options: VersionCacheOptions;
  /** In the order of last use. */
  readonly #loaded = new Map<string, LoadedVersion>();
  readonly #loading = new Map<string, Promise<LoadedVersion>>();
  readonly #failed = new Map<string, { readonly error: unknown; readonly at: number }>();
  readonly #leaving = new Set<Promise<void>>();
  #pinned: ReadonlySet<string> = new Set();
  #lastLoad: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(options: VersionCacheOptions) {
    this.#options = options;
  }

  /** Loads and warms the version unless it is in memory, and holds it: the caller releases it. */
  async open(version: ModelVersion): Promise<LoadedVersion> {
    const name = nameOf(version);
    for (;;) {
      const loaded = this.#loaded.get(name);
      if (loaded !== undefined) {
        loaded.hold();
        this.#loaded.delete(name);
        this.#loaded.set(name, loaded);
        return loaded;
      }
      await this.#load(version, name);
    }
  }

  /** The versions that endpoints serve from now on: never let go to make room. */
  pin(versions: readonly LoadedVersion[]): void {
    this.#pinned = new Set(versions.map(nameOf));
    this.#makeRoom();
  }

  versions(): readonly LoadedVersion[] {
    return [...this.#loaded.values()];
  }

  /** Names of the versions in memory that no endpoint serves. */
  idle(): readonly LoadedVersion[] {
    return [...this.#loaded.values()].filter((version) => !this.#pinned.has(nameOf(version)));
  }

  drop(version: LoadedVersion): void {
    this.#loaded.delete(nameOf(version));
    const gone = version
      .retire()
      .catch((error: unknown) => this.#options.log(`${nameOf(version)} did not close: ${error}`));
    this.#leaving.add(gone);
    void gone.finally(() => this.#leaving.delete(gone));
  }

  /** Lets every version go, each after its last request. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#loading.values());
    for (const version of [...this.#loaded.values()]) this.drop(version);
    await Promise.all(this.#leaving);
  }

  #load(version: ModelVersion, name: string): Promise<LoadedVersion> {
    const failed = this.#failed.get(name);
    if (failed !== undefined && performance.now() - failed.at < FAILURE_MS) return Promise.reject(failed.error);
    let loading = this.#loading.get(name);
    if (loading !== undefined) return loading;
    if (this.#isClosed || this.#loading.size >= MAX_WAITING_LOADS) {
      return Promise.reject(
        new MillraceError('SERVER_BUSY', {
          path: `models.${name}`,
          expected: this.#isClosed
            ? 'a server that is not stopping'
            : `at most ${MAX_WAITING_LOADS} versions being loaded`,
          received: this.#isClosed ? 'a request for a version that is not loaded' : 'a request for one more',
          hint: 'Send the request again later.',
          retryable: true,
        }),
      );
    }
    // One at a time: a load takes a core and, for small models, the server's own thread for some milliseconds.
    loading = this.#lastLoad.then(() => this.#read(version, name));
    this.#lastLoad = loading.catch(() => {});
    this.#loading.set(name, loading);
    void loading.catch(() => {}).finally(() => this.#loading.delete(name));
    return loading;
  }

  async #read(version: ModelVersion, name: string): Promise<LoadedVersion> {
    const { artifacts, infer, log, observer } = this.#options;
    const start = performance.now();
    try {
      // What is served is what was registered: every byte is hashed before it is loaded.
      await artifacts.verify(version.bundle);
      const bundle = await readBundle(await artifacts.open(version.bundle));
      const warm = await openWarmSession(bundle, infer, this.#options);
      const loaded = new LoadedVersion(version, bundle, warm, {
        ...this.#options,
        onBatch: (rows, ms) => observer.batchRan(version, rows, ms),
      });
      const ms = performance.now() - start;
      observer.versionLoaded(version, true, ms);
      const took = ms.toFixed(0);
      log(`loaded ${name} in ${took} ms (${warm.batchMs.toFixed(2)} ms a batch, ${warm.place})`);
      this.#failed.delete(name);
      this.#loaded.set(name, loaded);
      this.#makeRoom(name);
      return loaded;
    } catch (error) {
      observer.versionLoaded(version, false, performance.now() - start);
      if (this.#failed.size > 1000) this.#failed.clear();
      this.#failed.set(name, { error, at: performance.now() });
      log(`${name} does not load: ${isMillraceError(error) ? error.message : String(error)}`);
      throw error;
    }
  }

  #makeRoom(keep?: string): void {
    const idle = this.idle().filter((version) => nameOf(version) !== keep);
    const room = this.#options.idleVersions - (keep === undefined || this.#pinned.has(keep) ? 0 : 1);
    for (const version of idle.slice(0, Math.max(0, idle.length - Math.max(0, room)))) this.drop(version);
  }
}
