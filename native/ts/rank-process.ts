import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { deserializeError, MillraceError } from '../../pipelines/contracts/errors.js';
import { builtEntry } from './package-root.js';
import type { ChildMessage, ParentMessage } from './train-types.js';

/** After a cancellation: how long the child may write its checkpoint, and then how long SIGTERM may take. */
const graceMs = 10_000;
const terminateMs = 3_000;
/** Of the child's stderr, kept for an error's details. */
const stderrLimit = 4_096;

/**
 * Runs one request in native/ts/rank-main and resolves with its last message.
 *
 * @throws CANCELLED - `signal` was aborted; the child is gone.
 * @throws CHILD_DIED - it ended without an answer (killed, out of memory, crashed); retryable.
 */
export async function runRank<K extends 'trained' | 'scored'>(
  request: Exclude<ParentMessage, { kind: 'cancel' }>,
  answer: K,
  signal: AbortSignal,
  onEvent: (message: Extract<ChildMessage, { kind: 'event' }>) => void,
): Promise<Extract<ChildMessage, { kind: K }>> {
  if (signal.aborted) throw cancelledError();
  const child = startChild();
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-stderrLimit);
  });
  const timers: NodeJS.Timeout[] = [];
  const cancel = (): void => {
    sendTo(child, { kind: 'cancel' });
    timers.push(
      setTimeout(() => child.kill('SIGTERM'), graceMs),
      setTimeout(() => child.kill('SIGKILL'), graceMs + terminateMs),
    );
  };
  signal.addEventListener('abort', cancel, { once: true });
  try {
    const last = await lastMessage(child, onEvent, () => sendTo(child, request));
    if (last.kind === answer) return last as Extract<ChildMessage, { kind: K }>;
    if (signal.aborted) throw cancelledError();
    if (last.kind === 'error') throw deserializeError(last.error);
    throw childDied(last.kind === 'ended' ? last.how : last.kind, stderr);
  } finally {
    signal.removeEventListener('abort', cancel);
    for (const timer of timers) clearTimeout(timer);
    // It has ended, unless the request did not leave this process.
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  }
}

function startChild(): ChildProcess {
  const entry = builtEntry('native/ts/rank-main');
  if (!existsSync(entry)) {
    throw new MillraceError('ADDON_MISSING', {
      path: entry,
      expected: 'the built entry of a training rank',
      received: 'no file',
      hint: 'Run `npm run build`.',
    });
  }
  return fork(entry, [], {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    execArgv: [],
    // Read by libraries when they load: a spinning OpenMP team beside other load collapses to a hundredth.
    env: {
      ...process.env,
      OMP_WAIT_POLICY: 'passive',
      OMP_NUM_THREADS: '1',
      MKL_NUM_THREADS: '1',
      UV_THREADPOOL_SIZE: '2',
    },
  });
}

type Last = Exclude<ChildMessage, { kind: 'event' }> | { readonly kind: 'ended'; readonly how: string };

function lastMessage(
  child: ChildProcess,
  onEvent: (message: Extract<ChildMessage, { kind: 'event' }>) => void,
  begin: () => void,
): Promise<Last> {
  return new Promise((resolve, reject) => {
    let last: Last | null = null;
    child.on('message', (message: ChildMessage) => {
      if (message.kind !== 'event') {
        last = message;
        return;
      }
      try {
        onEvent(message);
      } catch (error) {
        child.kill('SIGKILL');
        reject(error);
      }
    });
    child.on('error', (error) => resolve(last ?? { kind: 'ended', how: error.message }));
    // 'close' comes after the last message and all of stderr.
    child.on('close', (code, killer) =>
      resolve(last ?? { kind: 'ended', how: killer === null ? `exit code ${code}` : `signal ${killer}` }),
    );
    begin();
  });
}

function sendTo(child: ChildProcess, message: ParentMessage): void {
  // A child that is gone already answers by its 'close'.
  if (child.connected) child.send(message, () => {});
}

function cancelledError(): MillraceError {
  return new MillraceError('CANCELLED', {
    path: 'training',
    expected: 'to run to the end',
    received: 'a cancellation',
  });
}

function childDied(how: string, stderr: string): MillraceError {
  return new MillraceError('CHILD_DIED', {
    path: 'training',
    expected: 'the training process to answer',
    received: how,
    hint:
      how === 'signal SIGKILL'
        ? 'Check that the machine has enough memory and run again.'
        : 'Run again; the details hold the last lines it wrote.',
    retryable: true,
    details: { stderr },
  });
}
