import { fork } from 'node:child_process';
import { builtEntry } from '../../native/ts/package-root.js';
import { deserializeError, MillraceError, type SerializedError } from '../../pipelines/contracts/errors.js';
import type { Plan } from '../../pipelines/plan/schema.js';
import { parentArguments } from './end-with-parent.js';

export interface CompileRequest {
  readonly code: string;
  /** For stacks and messages. */
  readonly file: string;
  readonly externals: readonly string[];
  readonly root: string;
  /** Texts come from the command line and are read by the schema's leaf types. */
  readonly params:
    | { readonly kind: 'texts'; readonly values: Readonly<Record<string, string>> }
    | { readonly kind: 'values'; readonly values: Readonly<Record<string, unknown>> };
  /** 2 to compare what two compilations give. */
  readonly times: number;
}

export type CompileResponse =
  | { readonly kind: 'plans'; readonly plans: readonly Plan[] }
  | { readonly kind: 'error'; readonly error: SerializedError };

/**
 * Compiles a pipeline in a child process: a file that throws or never returns takes nothing with it.
 *
 * @throws PIPELINE_THROWS, PIPELINE_TIMEOUT, PIPELINE_INVALID, PARAMS_INVALID and what {@link compilePlan} throws.
 */
export async function compileInChild(
  request: CompileRequest,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<readonly Plan[]> {
  const child = fork(builtEntry('workflows/children/compile-main'), parentArguments(), {
    // What the user's code prints goes to stderr: stdout belongs to the command's answer.
    stdio: ['ignore', 2, 2, 'ipc'],
    serialization: 'advanced',
    execArgv: ['--enable-source-maps'],
  });
  let timer: NodeJS.Timeout | null = null;
  let onAbort = (): void => {};
  try {
    const response = await new Promise<CompileResponse>((resolve, reject) => {
      timer = setTimeout(() => {
        reject(
          new MillraceError('PIPELINE_TIMEOUT', {
            path: request.file,
            expected: `a build that returns within ${options.timeoutMs / 1000} s`,
            received: 'none that did',
            hint: 'Look for an endless loop or a wait at the top level or in build(): they describe stages and run none.',
          }),
        );
      }, options.timeoutMs);
      onAbort = () =>
        reject(
          new MillraceError('CANCELLED', {
            path: request.file,
            expected: 'to compile the pipeline',
            received: 'a cancellation',
          }),
        );
      if (options.signal?.aborted === true) onAbort();
      options.signal?.addEventListener('abort', onAbort, { once: true });
      child.once('message', (message) => resolve(message as CompileResponse));
      child.once('error', reject);
      child.once('exit', (code, signal) => {
        // The terminal's Ctrl-C goes to the whole group: a child that has not begun to listen ends before we hear of it.
        if (signal === 'SIGINT') return onAbort();
        reject(
          new MillraceError('PIPELINE_THROWS', {
            path: request.file,
            expected: 'a pipeline file that evaluates',
            received: `a compiler that ended with ${signal ?? `exit code ${code}`}`,
            hint: 'Remove process.exit() and the like from it.',
          }),
        );
      });
      child.send(request);
    });
    if (response.kind === 'error') throw deserializeError(response.error);
    return response.plans;
  } finally {
    if (timer !== null) clearTimeout(timer);
    options.signal?.removeEventListener('abort', onAbort);
    child.removeAllListeners('exit');
    child.kill('SIGKILL');
  }
}
