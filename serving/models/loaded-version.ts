import type { ModelSignature } from '../../pipelines/contracts/signature.js';
import type { Elements } from '../../pipelines/signature/elements.js';
import { Batcher, type BatchLimits } from './batcher.js';
import type { Bundle } from './bundle.js';
import type { WarmSession } from './warm-session.js';
import type { Tensors } from './worker-messages.js';

/**
 * A model version in memory, warm. Whoever uses it holds it; once retired, it lets its session go when the last
 * holder has released it, so that requests in flight finish on the version they began with.
 */
export class LoadedVersion {
  readonly model: string;
  readonly version: number;
  readonly bundle: string;
  readonly signature: ModelSignature;
  readonly place: WarmSession['place'];
  readonly batchMs: number;
  readonly #warm: WarmSession;
  readonly #batcher: Batcher;
  #holders = 0;
  #retired: { readonly promise: Promise<void>; readonly resolve: (disposed: Promise<void>) => void } | null = null;

  constructor(
    name: { readonly model: string; readonly version: number },
    bundle: Bundle,
    warm: WarmSession,
    limits: BatchLimits,
  ) {
    this.model = name.model;
    this.version = name.version;
    this.bundle = bundle.digest;
    this.signature = bundle.signature;
    this.place = warm.place;
    this.batchMs = warm.batchMs;
    this.#warm = warm;
    this.#batcher = new Batcher(bundle.signature, warm.session, limits);
  }

  get waitingRows(): number {
    return this.#batcher.waitingRows;
  }

  hold(): void {
    this.#holders += 1;
  }

  release(): void {
    this.#holders -= 1;
    if (this.#holders === 0 && this.#retired !== null) this.#retired.resolve(this.#dispose());
  }

  /** Only while held. @throws SERVER_BUSY, CHILD_DIED */
  run(elements: Elements): Promise<Tensors> {
    return this.#batcher.run(elements);
  }

  /** Releases the session after the last holder; resolves when it is gone. */
  retire(): Promise<void> {
    if (this.#retired === null) {
      let resolve: (disposed: Promise<void>) => void = () => {};
      const promise = new Promise<void>((done) => {
        resolve = done;
      });
      this.#retired = { promise, resolve };
      if (this.#holders === 0) resolve(this.#dispose());
    }
    return this.#retired.promise;
  }

  async #dispose(): Promise<void> {
    await this.#warm.session[Symbol.asyncDispose]();
  }
}
