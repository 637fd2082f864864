import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { deserializeError, MillraceError } from '../../pipelines/contracts/errors.js';
import type { OperationArguments, OperationCaller, OperationName, OperationResult } from './operations.js';
import type { CallMessage, FromWorker, ToWorker, WorkerData } from './worker-messages.js';

/** The built worker, seen from the sources as well as from any bundle under dist. */
function workerFile(): string {
  const entry = join('dist', 'connectors', 'metadata-store', 'sqlite-worker.js');
  for (let directory = dirname(fileURLToPath(import.meta.url)); ; directory = dirname(directory)) {
    const candidate = join(directory, entry);
    if (existsSync(candidate)) return candidate;
    if (dirname(directory) === directory) break;
  }
  throw new MillraceError('INTERNAL', {
    path: entry,
    expected: 'a built package',
    received: 'none above this module',
    hint: 'Run `npm run build`.',
  });
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/**
 * The main thread's end of the worker. Calls made in one turn of the event loop travel in one message and
 * become durable in one commit; while the worker is busy, later ones gather for the next.
 */
class SqliteCaller implements OperationCaller {
  readonly #worker: Worker;
  readonly #file: string;
  readonly #namespace: string;
  readonly #waiting = new Map<number, Waiting>();
  #outbox: CallMessage[] = [];
  #nextId = 0;
  #closing: Promise<void> | null = null;
  #death: MillraceError | null = null;

  constructor(worker: Worker, file: string, namespace: string) {
    this.#worker = worker;
    this.#file = file;
    this.#namespace = namespace;
    worker.on('message', (message: FromWorker) => this.#receive(message));
    worker.on('error', (error) => this.#die(error));
    worker.on('exit', () => this.#die(null));
    worker.unref();
  }

  call<N extends OperationName>(name: N, ...args: OperationArguments<N>): Promise<OperationResult<N>> {
    if (this.#closing !== null || this.#death !== null) return Promise.reject(this.#death ?? this.#closed());
    return new Promise<OperationResult<N>>((resolve, reject) => {
      const id = this.#nextId++;
      if (this.#waiting.size === 0) this.#worker.ref();
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      if (this.#outbox.length === 0) queueMicrotask(() => this.#send());
      this.#outbox.push({ id, name, namespace: this.#namespace, arguments: args });
    });
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      if (this.#death !== null) {
        resolve();
        return;
      }
      this.#worker.ref();
      this.#worker.once('exit', () => resolve());
      this.#send();
      this.#post({ kind: 'close' });
    });
    return this.#closing;
  }

  #send(): void {
    if (this.#outbox.length === 0) return;
    const calls = this.#outbox;
    this.#outbox = [];
    try {
      this.#post({ kind: 'calls', calls });
    } catch (error) {
      // A value that cannot be cloned: the caller's mistake, told to everyone in this turn.
      for (const { id } of calls) this.#settle(id)?.reject(error);
    }
  }

  #post(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  #receive(message: FromWorker): void {
    if (message.kind !== 'replies') return;
    for (const { id, value, error } of message.replies) {
      const waiting = this.#settle(id);
      if (error === null) waiting?.resolve(value);
      else waiting?.reject(deserializeError(error));
    }
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    // An idle store does not keep the process alive.
    if (this.#waiting.size === 0 && this.#closing === null) this.#worker.unref();
    return waiting;
  }

  #die(cause: Error | null): void {
    this.#death ??= this.#closing !== null && cause === null ? this.#closed() : this.#died(cause);
    for (const { reject } of this.#waiting.values()) reject(this.#death);
    this.#waiting.clear();
  }

  #closed(): MillraceError {
    return new MillraceError('INTERNAL', {
      path: this.#file,
      expected: 'an open metadata store',
      received: 'a call after it was closed',
    });
  }

  #died(cause: Error | null): MillraceError {
    return new MillraceError('CHILD_DIED', {
      path: this.#file,
      expected: 'a living thread of the metadata store',
      received: cause === null ? 'its end' : cause.message,
      hint: 'Open the store again; what was confirmed is whole.',
      retryable: true,
      ...(cause === null ? {} : { cause }),
    });
  }
}

/** Starts the worker and waits until the database is open and migrated. */
export async function startSqliteCaller(data: WorkerData, namespace: string): Promise<OperationCaller> {
  const worker = new Worker(workerFile(), { workerData: data, execArgv: [], trackUnmanagedFds: false });
  await new Promise<void>((resolve, reject) => {
    worker.once('message', (first: FromWorker) => {
      if (first.kind === 'unopened') reject(deserializeError(first.error));
      else resolve();
    });
    worker.once('error', reject);
  });
  return new SqliteCaller(worker, data.file, namespace);
}
