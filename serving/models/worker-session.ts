import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { deserializeError, isMillraceError, MillraceError } from '../../pipelines/contracts/errors.js';
import type { InferenceSession, TensorSpec, TensorValue } from '../../pipelines/contracts/infer.js';
import { type RunMessage, type Tensors, transferable, type WorkerMessage } from './worker-messages.js';

interface Pending {
  readonly resolve: (outputs: Tensors) => void;
  readonly reject: (error: Error) => void;
}

/** The built worker, whether this code runs from its sources or from a chunk in dist. */
function workerFile(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  for (; directory !== dirname(directory); directory = dirname(directory)) {
    const manifest = join(directory, 'package.json');
    if (existsSync(manifest) && (JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string }).name === 'millrace')
      break;
  }
  const file = join(directory, 'dist', 'serving', 'inference-worker.js');
  if (existsSync(file)) return file;
  throw new MillraceError('TOOL_MISSING', {
    path: 'serve',
    expected: 'the built file dist/serving/inference-worker.js',
    received: 'no such file',
    hint: 'Build Millrace with npm run build.',
  });
}

/**
 * A session on a thread of its own: neither loading nor a run holds up the server.
 * A thread that dies (out of memory) fails what it ran with CHILD_DIED, and the next run starts it anew.
 */
class WorkerSession implements InferenceSession {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly #modelPath: string;
  readonly #pending = new Map<number, Pending>();
  #worker: Promise<Worker> | null;
  #nextId = 0;
  #isClosed = false;

  constructor(modelPath: string, worker: Worker, ready: Extract<WorkerMessage, { kind: 'ready' }>) {
    this.#modelPath = modelPath;
    this.inputs = ready.inputs;
    this.outputs = ready.outputs;
    this.#worker = Promise.resolve(worker);
    this.#listen(worker);
  }

  #listen(worker: Worker): void {
    worker.on('message', (message: WorkerMessage) => {
      if (message.kind !== 'outputs' && message.kind !== 'error') return;
      const pending = this.#pending.get(message.id);
      this.#pending.delete(message.id);
      if (message.kind === 'outputs') pending?.resolve(message.outputs);
      else pending?.reject(deserializeError(message.error));
    });
    let cause: unknown;
    worker.on('error', (error) => {
      cause = error;
    });
    worker.on('exit', (code) => {
      this.#worker = null;
      const died = childDied(`exit code ${code}`, cause);
      for (const { reject } of this.#pending.values()) reject(died);
      this.#pending.clear();
    });
  }

  async #live(): Promise<Worker> {
    if (this.#isClosed) throw childDied('a closed session', undefined);
    this.#worker ??= startWorker(this.#modelPath).then(
      ({ worker }) => {
        this.#listen(worker);
        return worker;
      },
      (error: unknown) => {
        this.#worker = null;
        throw error;
      },
    );
    return this.#worker;
  }

  async run(feeds: Readonly<Record<string, TensorValue>>): Promise<Tensors> {
    const worker = await this.#live();
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      worker.postMessage({ id, feeds } satisfies RunMessage, transferable(feeds));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    const worker = await this.#worker?.catch(() => null);
    await worker?.terminate();
  }
}

function childDied(received: string, cause: unknown): MillraceError {
  return new MillraceError('CHILD_DIED', {
    path: 'serve.worker',
    expected: 'an inference thread that stays alive',
    received,
    hint: 'Send the request again.',
    retryable: true,
    cause,
  });
}

async function startWorker(
  modelPath: string,
): Promise<{ worker: Worker; ready: Extract<WorkerMessage, { kind: 'ready' }> }> {
  const worker = new Worker(workerFile(), { workerData: { modelPath }, name: 'millrace-inference' });
  worker.unref();
  const exited = new AbortController();
  const { signal } = exited;
  try {
    const exit = once(worker, 'exit', { signal }).then(([code]) => {
      throw childDied(`exit code ${code}`, undefined);
    });
    exit.catch(() => {});
    // `once` rejects with what the thread throws while it loads.
    const [message] = (await Promise.race([once(worker, 'message', { signal }), exit])) as [WorkerMessage];
    if (message.kind === 'ready') return { worker, ready: message };
    throw message.kind === 'failed' ? deserializeError(message.error) : childDied(message.kind, undefined);
  } catch (error) {
    void worker.terminate();
    throw isMillraceError(error) ? error : childDied('an error while it loaded the model', error);
  } finally {
    exited.abort();
  }
}

/** Loads a model on a thread of its own. @throws what `InferenceEngine.load` throws; CHILD_DIED; TOOL_MISSING */
export async function openWorkerSession(modelPath: string): Promise<InferenceSession> {
  const { worker, ready } = await startWorker(modelPath);
  return new WorkerSession(modelPath, worker, ready);
}
