/** The child process that trains or scores: gets one request over IPC, answers, and ends. Never outlives its parent. */
import { serializeError } from '../../pipelines/contracts/errors.js';
import type { NativeJob } from './addon-types.js';
import { scoreInProcess } from './score-in-process.js';
import { trainInProcess } from './train-in-process.js';
import type { ChildMessage, ParentMessage } from './train-types.js';

let job: NativeJob<unknown> | null = null;
let cancelled = false;
let finished = false;

// The parent is gone: nobody waits for an answer, and a native thread may be at work, so no orderly exit.
process.on('disconnect', () => {
  if (!finished) process.kill(process.pid, 'SIGKILL');
});
// A terminal sends Ctrl-C to the whole group; the parent decides and tells.
process.on('SIGINT', () => {});
process.on('SIGTERM', cancel);

process.on('message', (message: ParentMessage) => {
  if (message.kind === 'cancel') cancel();
  else void answer(message);
});

function cancel(): void {
  cancelled = true;
  job?.cancel();
}

async function answer(message: Exclude<ParentMessage, { kind: 'cancel' }>): Promise<void> {
  try {
    if (message.kind === 'train') {
      const training = trainInProcess(message.request, (event) => send({ kind: 'event', event }));
      start(training);
      finish({ kind: 'trained', result: await training.promise });
    } else {
      const scoring = scoreInProcess(message.request);
      start(scoring);
      finish({ kind: 'scored', result: await scoring.promise });
    }
  } catch (error) {
    finish({ kind: 'error', error: serializeError(error) });
  }
}

function start(started: NativeJob<unknown>): void {
  job = started;
  if (cancelled) started.cancel();
}

function send(message: ChildMessage): void {
  process.send?.(message);
}

/** The last message: only its callback says that it has left, so only then the channel closes. */
function finish(message: ChildMessage): void {
  process.send?.(message, undefined, {}, () => {
    finished = true;
    process.exit(0);
  });
}
