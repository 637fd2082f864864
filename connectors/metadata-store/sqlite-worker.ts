import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { serializeError } from '../../pipelines/contracts/errors.js';
import { readingOperations, writingOperations } from './operations.js';
import { SqliteConnection } from './sqlite-connection.js';
import { isFatal } from './sqlite-errors.js';
import { type Operation, Refusal } from './statement.js';
import type { CallMessage, FromWorker, Reply, ToWorker, WorkerData } from './worker-messages.js';

/** The thread that owns the SQLite connection, so that no commit and no wait for a lock stops the event loop. */

type AnyOperation = (namespace: string, ...args: readonly unknown[]) => Operation<unknown>;
const writing = new Map<string, AnyOperation>(Object.entries(writingOperations) as [string, AnyOperation][]);
const reading = new Map<string, AnyOperation>(Object.entries(readingOperations) as [string, AnyOperation][]);
const maxCallsPerTransaction = 2000;

const port = parentPort!;
const post = (message: FromWorker): void => port.postMessage(message);

function runOne(connection: SqliteConnection, call: CallMessage): Reply {
  const operation = (writing.get(call.name) ?? reading.get(call.name))!;
  const value = connection.drive(operation(call.namespace, ...call.arguments));
  if (value instanceof Refusal) return { id: call.id, value: null, error: serializeError(value.error) };
  return { id: call.id, value, error: null };
}

/** One transaction for all calls that wait: their commits share one fsync, and each fails by itself. */
function runTogether(connection: SqliteConnection, calls: readonly CallMessage[]): readonly Reply[] {
  const writes = calls.some((call) => writing.has(call.name));
  const failed = (call: CallMessage, error: unknown): Reply => ({
    id: call.id,
    value: null,
    error: serializeError(error),
  });
  try {
    return connection.transaction(writes, () => {
      const [only] = calls;
      if (calls.length === 1 && only !== undefined) return [runOne(connection, only)];
      return calls.map((call) => {
        try {
          return writing.has(call.name)
            ? connection.savepoint(() => runOne(connection, call))
            : runOne(connection, call);
        } catch (error) {
          if (isFatal(error)) throw error;
          return failed(call, error);
        }
      });
    });
  } catch (error) {
    return calls.map((call) => failed(call, error));
  }
}

function serve(connection: SqliteConnection): void {
  port.on('message', (first: ToWorker) => {
    let pending: ToWorker | null = first;
    const calls: CallMessage[] = [];
    while (pending !== null && pending.kind === 'calls') {
      calls.push(...pending.calls);
      pending = (receiveMessageOnPort(port)?.message as ToWorker | undefined) ?? null;
    }
    for (let start = 0; start < calls.length; start += maxCallsPerTransaction) {
      const replies = runTogether(connection, calls.slice(start, start + maxCallsPerTransaction));
      post({ kind: 'replies', replies });
    }
    if (pending?.kind === 'close') {
      connection.close();
      post({ kind: 'closed' });
      port.close();
      return;
    }
    connection.tidy();
  });
}

try {
  const data = workerData as WorkerData;
  const connection = new SqliteConnection(data.file, data.busyTimeoutMs);
  post({ kind: 'opened' });
  serve(connection);
} catch (error) {
  post({ kind: 'unopened', error: serializeError(error) });
  port.close();
}
