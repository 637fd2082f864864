import { fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import { feedAddonPath } from './feed-addon.js';
import type { ChildError, FeedRequest, FeedResponse, FromChild, ToChild } from './feed-protocol.js';
import { builtEntry } from './package-root.js';

export type { FeedProblem } from './feed-addon.js';
export type { FeedTensor, WrittenShard } from './feed-files.js';
export type { FeedRequest, FeedResponse } from './feed-protocol.js';

/** How long a child may take to end after a cancellation before it is killed. */
const graceMs = 5_000;

export interface FeedCallbacks {
  readonly signal: AbortSignal;
  /** Rows that passed, of all rows of the dataset. */
  onProgress?(progress: { readonly phase: 'parts' | 'rows' | 'digests'; readonly rows: number }): void;
}

/**
 * Writes encoded rows as safetensors shards, in a child process with a DuckDB of its own: no row passes JavaScript.
 * Where it fails, the files that it made are left for the caller's writer to discard.
 *
 * @throws ADDON_MISSING, DISK_FULL, MEMORY_FULL, CANCELLED, CHILD_DIED (retryable), ARTIFACT_CORRUPT - a Parquet file that does not read.
 */
export async function writeFeed(request: FeedRequest, callbacks: FeedCallbacks): Promise<FeedResponse> {
  if (callbacks.signal.aborted) throw cancelledError();
  const entry = builtEntry('native/ts/feed-main');
  for (const file of [entry, feedAddonPath()]) {
    if (!existsSync(file)) {
      throw new MillraceError('ADDON_MISSING', {
        path: file,
        expected: 'a built file',
        received: 'none',
        hint: 'Run `npx millrace setup`; in a clone, `npm run build` before it.',
      });
    }
  }
  try {
    return await runChild(entry, request, callbacks);
  } finally {
    await rm(join(request.directory, '.spill'), { recursive: true, force: true });
  }
}

function runChild(entry: string, request: FeedRequest, { signal, onProgress }: FeedCallbacks): Promise<FeedResponse> {
  return new Promise((resolve, reject) => {
    const child = fork(entry, [], {
      // The parent's flags (a debugger's port, a test runner's hooks) are not the child's.
      execArgv: [],
      env: childEnvironment(),
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    let stderr = '';
    let outcome: FeedResponse | MillraceError | null = null;
    let killer: NodeJS.Timeout | undefined;
    const abort = () => {
      if (child.connected) child.send({ kind: 'cancel' } satisfies ToChild);
      killer = setTimeout(() => child.kill('SIGKILL'), graceMs);
    };
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-4_000);
    });
    child.on('message', (message: FromChild) => {
      if (message.kind === 'progress') onProgress?.(message);
      else if (message.kind === 'done') outcome = message.response;
      else outcome = errorOf(message.error);
    });
    child.on('error', (cause) => {
      outcome ??= new MillraceError('CHILD_DIED', {
        path: 'feed',
        expected: 'a child process',
        received: cause.message,
        retryable: true,
        cause,
      });
      child.kill('SIGKILL');
    });
    child.on('close', (code, killedBy) => {
      clearTimeout(killer);
      signal.removeEventListener('abort', abort);
      if (signal.aborted) reject(cancelledError());
      else if (outcome instanceof MillraceError) reject(outcome);
      else if (outcome !== null) resolve(outcome);
      else {
        reject(
          new MillraceError('CHILD_DIED', {
            path: 'feed',
            expected: 'the child process to answer',
            received: killedBy === null ? `exit code ${code}` : `signal ${killedBy}`,
            hint:
              killedBy === 'SIGKILL'
                ? 'The machine may have run out of memory: end other programs, then resume the run.'
                : 'Its last output is in the details.',
            retryable: true,
            details: { stderr },
          }),
        );
      }
    });
    signal.addEventListener('abort', abort, { once: true });
    child.send({ kind: 'write', request } satisfies ToChild, (error) => {
      if (error !== null) child.kill('SIGKILL');
    });
  });
}

/** What Node and the dynamic linker need; no secrets of the parent's. */
function childEnvironment(): NodeJS.ProcessEnv {
  const names = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'LD_LIBRARY_PATH', 'DYLD_LIBRARY_PATH'];
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}

function cancelledError(): MillraceError {
  return new MillraceError('CANCELLED', { path: 'feed', expected: 'to finish', received: 'a cancellation' });
}

function errorOf({ code, message }: ChildError): MillraceError {
  switch (code) {
    case 'CANCELLED':
      return cancelledError();
    case 'DISK_FULL':
      return new MillraceError('DISK_FULL', {
        path: 'feed',
        expected: 'room for the feed',
        received: message,
        hint: 'Free some space, then resume the run.',
        retryable: true,
      });
    case 'ADDON_MISSING':
      return new MillraceError('ADDON_MISSING', {
        path: 'feed',
        expected: "the feed's addon and DuckDB's library",
        received: message,
        hint: 'Run `npx millrace setup`.',
      });
    case 'QUERY':
      return queryError(message);
    default:
      return new MillraceError('INTERNAL', {
        path: 'feed',
        expected: 'no unforeseen error',
        received: oneLine(message),
      });
  }
}

/** Our statements are right, so that what fails is the machine or the files that they read. */
function queryError(message: string): MillraceError {
  const kind = /^[A-Za-z -]+ Error/.exec(message)?.[0] ?? '';
  if (/No space left on device|max_temp_directory_size|Disk quota exceeded|failed to offload/i.test(message)) {
    return errorOf({ code: 'DISK_FULL', message: oneLine(message) });
  }
  if (kind === 'Out of Memory Error') {
    return new MillraceError('MEMORY_FULL', {
      path: 'feed',
      expected: 'a statement that fits into its memory and what it may spill',
      received: 'one that needs more',
      hint: 'Use fewer columns, or a machine with more memory.',
    });
  }
  const isOurs = ['Binder Error', 'Parser Error', 'Catalog Error', 'Permission Error', 'INTERNAL Error', 'FATAL Error'];
  if (isOurs.includes(kind)) {
    return new MillraceError('INTERNAL', {
      path: 'feed',
      expected: 'a statement that runs',
      received: oneLine(message),
    });
  }
  return new MillraceError('ARTIFACT_CORRUPT', {
    path: 'dataset',
    expected: 'Parquet files as they were written',
    received: oneLine(message),
    hint: 'Run the pipeline with --no-cache: it writes the dataset again.',
  });
}

/** The first line, without the values that DuckDB quotes. */
function oneLine(message: string): string {
  const line = message.split('\n')[0]!;
  const plain = /^(Conversion|Out of Range) Error/.test(line) ? line.replace(/"[^"]*"|'[^']*'/g, '…') : line;
  return (plain.length > 300 ? `${plain.slice(0, 297)}…` : plain).replace(/\.$/, '');
}
