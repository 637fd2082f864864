import type { Lease } from '../../pipelines/contracts/metadata.js';
import type { OperationCaller } from './operations.js';

/**
 * A lease that this process holds, renewed after every third of its time. It counts as lost when a renewal finds
 * another holder, and already when its time has passed on the monotonic clock without a renewal (a stopped process).
 */
export class HeldLease implements Lease {
  readonly key: string;
  readonly #caller: OperationCaller;
  readonly #token: string;
  readonly #ttlMs: number;
  readonly #onReleased: (lease: HeldLease) => void;
  readonly #timer: NodeJS.Timeout;
  #heldUntil: number;
  readonly #lost = new AbortController();
  #isLost = false;
  #released: Promise<void> | null = null;

  /** @param acquiredAt - `performance.now()` before the lease was asked for. */
  constructor(
    caller: OperationCaller,
    key: string,
    token: string,
    ttlMs: number,
    acquiredAt: number,
    onReleased: (lease: HeldLease) => void,
  ) {
    this.#caller = caller;
    this.key = key;
    this.#token = token;
    this.#ttlMs = ttlMs;
    this.#heldUntil = acquiredAt + ttlMs;
    this.#onReleased = onReleased;
    this.#timer = setInterval(() => void this.#renew(), ttlMs / 3);
    this.#timer.unref();
  }

  get isHeld(): boolean {
    return !this.#isLost && performance.now() < this.#heldUntil;
  }

  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  release(): Promise<void> {
    this.#released ??= this.#end();
    return this.#released;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  async #end(): Promise<void> {
    clearInterval(this.#timer);
    this.#isLost = true;
    this.#onReleased(this);
    try {
      await this.#caller.call('releaseLease', this.key, this.#token);
    } catch {
      // What was done under it is done; a busy or full store gives the lease back when its time has passed.
    }
  }

  async #renew(): Promise<void> {
    const askedAt = performance.now();
    try {
      const isOurs = await this.#caller.call('renewLease', this.key, this.#token, this.#ttlMs);
      if (isOurs) this.#heldUntil = askedAt + this.#ttlMs;
      else this.#lose();
    } catch {
      // A busy or full store: the next renewal may succeed in time, else the clock above ends the lease.
    }
    if (!this.isHeld && this.#released === null) this.#lose();
  }

  #lose(): void {
    this.#isLost = true;
    clearInterval(this.#timer);
    this.#lost.abort();
  }
}
