import { setTimeout as delay } from 'node:timers/promises';
import { isMillraceError, MillraceError, nearestName } from '../../pipelines/contracts/errors.js';
import type { EndpointBinding, ModelVersion, Registry } from '../../pipelines/contracts/registry.js';
import type { LoadedVersion } from './loaded-version.js';
import type { VersionCache } from './version-cache.js';

export interface EndpointState {
  readonly binding: EndpointBinding;
  /** What is served now; null answers 503. */
  readonly current: LoadedVersion | null;
  /** Why it is not what the alias names, or null. */
  readonly problem: string | null;
}

/** After a version did not load, how long until it is tried again without a change in the registry. */
const RETRY_MS = 5000;
const CHAMPION = 'champion';

/**
 * Keeps endpoints on the versions that their aliases name. What an alias newly names is loaded and warmed first; then
 * all endpoints change in one step, so that models promoted together are served together.
 */
export class RegistryFollower {
  readonly #registry: Registry;
  readonly #cache: VersionCache;
  readonly #log: (message: string) => void;
  readonly #stop = new AbortController();
  #endpoints: ReadonlyMap<string, EndpointState> = new Map();
  #resolved = new Map<string, Promise<ModelVersion | null>>();
  #revision: number | null = null;
  #retryAt = Number.POSITIVE_INFINITY;
  #refreshing: Promise<void> | null = null;
  #next: Promise<void> | null = null;
  #polling: Promise<void> = Promise.resolve();
  #lastProblem = '';

  constructor(registry: Registry, cache: VersionCache, log: (message: string) => void) {
    this.#registry = registry;
    this.#cache = cache;
    this.#log = log;
  }

  get endpoints(): ReadonlyMap<string, EndpointState> {
    return this.#endpoints;
  }

  /** Whether the registry has been read once. */
  get isReady(): boolean {
    return this.#revision !== null;
  }

  /** Looks at the registry now, and every `pollMs` from then on. */
  async start(pollMs: number): Promise<void> {
    await this.refresh();
    this.#polling = this.#poll(pollMs);
  }

  async #poll(pollMs: number): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await delay(pollMs, undefined, { signal, ref: false }).catch(() => {});
      if (!signal.aborted) await this.refresh();
    }
  }

  /**
   * Takes over what changed in the registry before this call. A registry that is out of reach changes nothing.
   * A look that has begun already may have missed the newest change: then one more follows it.
   */
  refresh(): Promise<void> {
    if (this.#refreshing === null) {
      this.#refreshing = this.#refresh().finally(() => {
        this.#refreshing = null;
      });
      return this.#refreshing;
    }
    this.#next ??= this.#refreshing.then(() => {
      this.#next = null;
      return this.refresh();
    });
    return this.#next;
  }

  async #refresh(): Promise<void> {
    try {
      // Read before what it covers: a change in between is seen again at the next look.
      const revision = await this.#registry.revision();
      if (revision === this.#revision && Date.now() < this.#retryAt) return;
      const bindings = await this.#registry.endpoints();
      const states = await Promise.all(bindings.map((binding) => this.#follow(binding)));
      this.#swap(states);
      await this.#dropRevoked();
      this.#resolved = new Map();
      this.#revision = revision;
      this.#retryAt = states.some(({ problem }) => problem !== null) ? Date.now() + RETRY_MS : Number.POSITIVE_INFINITY;
      this.#lastProblem = '';
    } catch (error) {
      const text = isMillraceError(error) ? error.message : String(error);
      if (text !== this.#lastProblem) this.#log(`the registry cannot be read, serving goes on as it was: ${text}`);
      this.#lastProblem = text;
    }
  }

  /** The endpoint's next state; its version is loaded, warm and held. */
  async #follow(binding: EndpointBinding): Promise<EndpointState> {
    const version = await this.#registry.alias(binding.model, binding.alias);
    if (version === null) return { binding, current: null, problem: `${binding.model} has no ${binding.alias}` };
    try {
      return { binding, current: await this.#cache.open(version), problem: null };
    } catch (error) {
      const problem = isMillraceError(error) ? error.message : String(error);
      const current = this.#endpoints.get(binding.endpoint)?.current ?? null;
      if (current === null || current.model !== binding.model || (await this.#isRevoked(current)))
        return { binding, current: null, problem };
      current.hold();
      return { binding, current, problem };
    }
  }

  #swap(states: readonly EndpointState[]): void {
    const before = this.#endpoints;
    this.#endpoints = new Map(states.map((state) => [state.binding.endpoint, state]));
    this.#cache.pin(states.flatMap(({ current }) => current ?? []));
    for (const { binding, current, problem } of states) {
      const old = before.get(binding.endpoint);
      if (old?.current !== current || old?.problem !== problem) {
        const served = current === null ? 'answers 503' : `serves ${current.model}/${current.version}`;
        this.#log(`endpoint ${binding.endpoint} ${served}${problem === null ? '' : `: ${problem}`}`);
      }
    }
    for (const { current } of before.values()) current?.release();
  }

  async #isRevoked(version: LoadedVersion): Promise<boolean> {
    const { state } = await this.#registry.version(version.model, String(version.version));
    return state !== 'registered';
  }

  async #dropRevoked(): Promise<void> {
    for (const version of this.#cache.idle()) if (await this.#isRevoked(version)) this.#cache.drop(version);
  }

  /** @throws ENDPOINT_NOT_FOUND - with the nearest name; ENDPOINT_UNAVAILABLE - the registry was not read yet */
  endpoint(name: string): EndpointState {
    const state = this.#endpoints.get(name);
    if (state !== undefined) return state;
    if (!this.isReady) throw starting(name);
    throw this.#unknown('ENDPOINT_NOT_FOUND', name, 'endpoint', [...this.#endpoints.keys()]);
  }

  /**
   * Runs `use` on what an endpoint serves now.
   *
   * @throws ENDPOINT_NOT_FOUND - with the nearest name; ENDPOINT_UNAVAILABLE - its alias names no version, or none that loads.
   */
  async withEndpoint<T>(name: string, use: (version: LoadedVersion) => Promise<T>): Promise<T> {
    const state = this.endpoint(name);
    const { current } = state;
    if (current === null) throw unavailable(`endpoints.${name}`, state.problem ?? 'none', state.binding.alias);
    current.hold();
    try {
      return await use(current);
    } finally {
      current.release();
    }
  }

  /**
   * Runs `use` on a version of an endpoint's model or of a registered model: without a selector what the endpoint
   * serves or the champion, else the version of this number, alias or digest.
   *
   * @throws MODEL_NOT_FOUND, ENDPOINT_UNAVAILABLE, GATE_VERSION_REVOKED
   */
  async withModel<T>(name: string, selector: string | null, use: (version: LoadedVersion) => Promise<T>): Promise<T> {
    const endpoint = this.#endpoints.get(name);
    if (endpoint !== undefined && selector === null) return this.withEndpoint(name, use);
    const version = await this.#cache.open(await this.resolve(name, selector));
    try {
      return await use(version);
    } finally {
      version.release();
    }
  }

  /** The registered version that {@link withModel} would run. */
  async resolve(name: string, selector: string | null): Promise<ModelVersion> {
    const model = this.#endpoints.get(name)?.binding.model ?? name;
    const version = await this.#lookUp(model, selector);
    if (version === null) {
      const models = (await this.#registry.models()).map((entry) => entry.model);
      if (!models.includes(model)) {
        throw this.#unknown('MODEL_NOT_FOUND', name, 'model', [...new Set([...this.#endpoints.keys(), ...models])]);
      }
      throw unavailable(`models.${model}`, `no ${CHAMPION}`, CHAMPION);
    }
    if (version.state !== 'registered') {
      throw new MillraceError('GATE_VERSION_REVOKED', {
        path: `models.${model}.versions.${version.version}`,
        expected: 'a version that may be served',
        received: version.state === 'rejected' ? 'a rejected one' : 'one that was rolled back',
        hint: `Ask for another version, or admit it again with millrace models promote ${model} --reason.`,
      });
    }
    return version;
  }

  async versions(name: string): Promise<readonly ModelVersion[]> {
    return this.#registry.versions(this.#endpoints.get(name)?.binding.model ?? name);
  }

  #lookUp(model: string, selector: string | null): Promise<ModelVersion | null> {
    const key = JSON.stringify([model, selector]);
    let version = this.#resolved.get(key);
    if (version === undefined) {
      const resolved = this.#resolved;
      version = this.#find(model, selector);
      if (resolved.size < 1000) resolved.set(key, version);
      // What is not there now may be there in a moment: only what was found is remembered.
      version.then(
        (found) => found === null && resolved.delete(key),
        () => resolved.delete(key),
      );
    }
    return version;
  }

  async #find(model: string, selector: string | null): Promise<ModelVersion | null> {
    const champion = await this.#registry.alias(model, CHAMPION);
    if (selector === null) return champion;
    if (champion === null && !(await this.#registry.models()).some((entry) => entry.model === model)) return null;
    return this.#registry.version(model, selector);
  }

  #unknown(
    code: 'ENDPOINT_NOT_FOUND' | 'MODEL_NOT_FOUND',
    name: string,
    kind: string,
    known: readonly string[],
  ): MillraceError {
    const shown = name.length <= 128 ? name : `${name.slice(0, 128)}…`;
    const nearest = name.length <= 128 ? nearestName(name, known) : null;
    return new MillraceError(code, {
      path: `${kind}s`,
      expected: `the name of ${kind === 'endpoint' ? 'an' : 'a'} ${kind}`,
      received: JSON.stringify(shown),
      hint:
        nearest !== null ? `Did you mean "${nearest}"?` : `There is ${known.slice(0, 20).join(', ') || 'none yet'}.`,
    });
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#polling;
    await (this.#next ?? this.#refreshing);
    const states = [...this.#endpoints.values()];
    this.#endpoints = new Map();
    for (const { current } of states) current?.release();
  }
}

/** The port is open before the registry was read: nobody knows yet which endpoints there are. */
function starting(name: string): MillraceError {
  return new MillraceError('ENDPOINT_UNAVAILABLE', {
    path: `endpoints.${name.slice(0, 128)}`,
    expected: 'a server that has read its registry',
    received: 'one that starts',
    hint: 'Ask again in a moment; GET /v2/health/ready tells when it is ready.',
    retryable: true,
  });
}

function unavailable(path: string, received: string, alias: string): MillraceError {
  return new MillraceError('ENDPOINT_UNAVAILABLE', {
    path,
    expected: `a version that its alias ${alias} names and that loads`,
    received,
    hint: 'Promote a version.',
    retryable: true,
  });
}
