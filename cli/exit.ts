import { isMillraceError, MillraceError, serializeError } from '../pipelines/contracts/errors.js';
import type { RunStatus } from '../pipelines/contracts/metadata.js';
import { errorText } from './render/error-text.js';

export const exitCodes = { done: 0, failed: 1, usage: 2, blocked: 3, waiting: 4, cancelled: 130 } as const;

export function exitCodeOf(status: RunStatus): number {
  const codes: Readonly<Record<RunStatus, number>> = {
    running: 1,
    succeeded: exitCodes.done,
    failed: exitCodes.failed,
    blocked: exitCodes.blocked,
    waiting: exitCodes.waiting,
    cancelled: exitCodes.cancelled,
  };
  return codes[status];
}

/** What commander says of a command line, which it has written to stderr. */
export function usageError({ message }: Error): MillraceError {
  return new MillraceError('CONFIG_INVALID', {
    path: 'command line',
    expected: 'a command with its arguments and options',
    received: message.replace(/^error: /, ''),
    hint: 'Run millrace --help to see the commands.',
  });
}

/** The one object that a failing command with --json prints to stdout. */
export function printError(error: unknown): void {
  const { stack: _stack, ...shown } = serializeError(error);
  process.stdout.write(`${JSON.stringify({ error: shown })}\n`);
}

/** Writes an error to stderr (and, with --json, as the one object on stdout) and answers with the exit code. */
export function reportError(error: unknown, json: boolean): number {
  const data = serializeError(error);
  process.stderr.write(`${errorText(data)}\n`);
  if (data.code === 'INTERNAL' && data.stack !== null) process.stderr.write(`${data.stack}\n`);
  if (json) printError(error);
  if (!isMillraceError(error)) return exitCodes.failed;
  if (error.code === 'CANCELLED') return exitCodes.cancelled;
  return error.name === 'ConfigError' ? exitCodes.usage : exitCodes.failed;
}
