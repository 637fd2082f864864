import { performance } from 'node:perf_hooks';
import type { Exchange, Traffic } from '../http/traffic.js';
import type { LoadedVersion } from '../models/loaded-version.js';
import type { RegistryFollower } from '../models/registry-follower.js';
import type { VersionCache } from '../models/version-cache.js';
import { type Counter, Exposition, type Histogram } from './prometheus-text.js';

/** The status of a request whose client left before its answer, as nginx counts it. */
const CLIENT_LEFT = 499;
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const LOAD_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const ROWS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

/** What one endpoint's requests to one version add to; found without making text of the labels again. */
interface RequestSeries {
  readonly seconds: Histogram;
  readonly byStatus: Map<number, Counter>;
}

/** What is told of this server's insides; the names of clients' making never become labels. */
export class ServerMetrics {
  readonly #exposition = new Exposition();
  readonly #requests = this.#exposition.counters(
    'millrace_requests_total',
    'Requests by route, endpoint, model version and HTTP status; 499: the client left before its answer.',
  );
  readonly #requestSeconds = this.#exposition.histograms(
    'millrace_request_duration_seconds',
    'From the headers of a request to the end of its answer.',
    SECONDS,
  );
  readonly #refused = this.#exposition.counters(
    'millrace_refused_connections_total',
    'Connections cut because they sent no HTTP, sent too slowly, or were too many.',
  );
  readonly #batchRows = this.#exposition.histograms('millrace_batch_rows', 'Rows of one run of a model.', ROWS);
  readonly #batchSeconds = this.#exposition.histograms(
    'millrace_batch_duration_seconds',
    'Time of one run of a model.',
    SECONDS,
  );
  readonly #loads = this.#exposition.counters(
    'millrace_model_loads_total',
    'Model versions loaded, by result: loaded or failed.',
  );
  readonly #loadSeconds = this.#exposition.histograms(
    'millrace_model_load_duration_seconds',
    'From reading a bundle until its model is warm.',
    LOAD_SECONDS,
  );
  readonly #known = new WeakMap<object, Map<string, RequestSeries>>();
  readonly #other = {};

  /** Adds what is looked up when somebody asks. */
  watch(traffic: Traffic, cache: VersionCache, follower: RegistryFollower): void {
    const gauge = (name: string, help: string, read: () => number): void =>
      this.#exposition.observed('gauge', name, help, () => [{ labels: {}, value: read() }]);
    gauge('millrace_connections', 'Open connections.', () => traffic.connections);
    gauge('millrace_open_requests', 'Requests that have no answer yet.', () => traffic.openRequests);
    gauge('millrace_held_bytes', 'Bytes of bodies and answers in memory.', () => traffic.heldBytes);
    this.#exposition.observed('gauge', 'millrace_waiting_rows', 'Rows that wait for a run of their model.', () =>
      cache.versions().map((one) => ({ labels: labelsOf(one), value: one.waitingRows })),
    );
    this.#exposition.observed('gauge', 'millrace_endpoint_version', 'The version that an endpoint serves.', () =>
      [...follower.endpoints.values()].map(({ binding, current }) => ({
        labels: { endpoint: binding.endpoint, model: binding.model },
        value: current?.version ?? 0,
      })),
    );
    this.#exposition.observed(
      'gauge',
      'millrace_endpoint_ready',
      'Whether an endpoint serves what its alias names.',
      () =>
        [...follower.endpoints.values()].map(({ binding, current, problem }) => ({
          labels: { endpoint: binding.endpoint },
          value: current !== null && problem === null ? 1 : 0,
        })),
    );
    this.#exposition.observed('counter', 'process_cpu_seconds_total', 'User and system time of the server.', () => {
      const { user, system } = process.cpuUsage();
      return [{ labels: {}, value: (user + system) / 1e6 }];
    });
    gauge('process_resident_memory_bytes', 'Memory of the server.', () => process.memoryUsage.rss());
    gauge(
      'process_start_time_seconds',
      'When the server started, since the epoch.',
      () => performance.timeOrigin / 1000,
    );
  }

  text(): string {
    return this.#exposition.text();
  }

  exchangeOver({ asked, response, startedAt }: Exchange, isAnswered: boolean): void {
    const { route, endpoint, served } = asked;
    const owner = served ?? this.#other;
    let byName = this.#known.get(owner);
    if (byName === undefined) {
      byName = new Map();
      this.#known.set(owner, byName);
    }
    const name = `${route} ${endpoint}`;
    let series = byName.get(name);
    const labels = { route, endpoint, model: served?.model ?? '', version: served?.version ?? '' };
    if (series === undefined) {
      series = { seconds: this.#requestSeconds.of(labels), byStatus: new Map() };
      byName.set(name, series);
    }
    const status = isAnswered ? response.statusCode : CLIENT_LEFT;
    let counter = series.byStatus.get(status);
    if (counter === undefined) {
      counter = this.#requests.of({ ...labels, status });
      series.byStatus.set(status, counter);
    }
    counter.add();
    series.seconds.observe((performance.now() - startedAt) / 1000);
  }

  connectionRefused(reason: 'malformed' | 'timeout' | 'too_many'): void {
    this.#refused.of({ reason }).add();
  }

  batchRan(version: Pick<LoadedVersion, 'model' | 'version'>, rows: number, ms: number): void {
    const labels = labelsOf(version);
    this.#batchRows.of(labels).observe(rows);
    this.#batchSeconds.of(labels).observe(ms / 1000);
  }

  versionLoaded(version: Pick<LoadedVersion, 'model' | 'version'>, isLoaded: boolean, ms: number): void {
    const labels = labelsOf(version);
    this.#loads.of({ ...labels, result: isLoaded ? 'loaded' : 'failed' }).add();
    if (isLoaded) this.#loadSeconds.of(labels).observe(ms / 1000);
  }
}

function labelsOf({ model, version }: Pick<LoadedVersion, 'model' | 'version'>): { model: string; version: number } {
  return { model, version };
}
