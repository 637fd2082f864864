import { spawn } from 'node:child_process';
import { MillraceError } from '../../pipelines/contracts/errors.js';

export interface ToolResult {
  readonly code: number | null;
  /** stdout and stderr together, the last 64 KiB. */
  readonly output: string;
}

const outputLimit = 65_536;

/**
 * Runs a command to its end.
 *
 * @throws TOOL_MISSING - it is not installed; `install` is the command that installs it.
 * @throws CANCELLED
 */
export function runTool(
  command: string,
  args: readonly string[],
  options: {
    readonly install: string;
    readonly signal?: AbortSignal | undefined;
    readonly onLine?: (line: string) => void;
  },
): Promise<ToolResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    let output = '';
    let line = '';
    const take = (text: string): void => {
      output = (output + text).slice(-outputLimit);
      const parts = (line + text).split('\n');
      line = parts.pop() ?? '';
      for (const part of parts) options.onLine?.(part);
    };
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    child.on('error', (cause: NodeJS.ErrnoException) => {
      if (cause.name === 'AbortError')
        reject(
          new MillraceError('CANCELLED', { path: 'setup', expected: 'to run to the end', received: 'a cancellation' }),
        );
      else if (cause.code === 'ENOENT') reject(toolMissing(command, options.install, cause));
      else reject(cause);
    });
    child.on('close', (code) => resolve({ code, output }));
  });
}

export function toolMissing(command: string, install: string, cause?: unknown): MillraceError {
  return new MillraceError('TOOL_MISSING', {
    path: command,
    expected: 'an installed command',
    received: 'none on the PATH',
    hint: `Install it: ${install}`,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** What a person needs of a long output: its lines with errors, else its end. */
export function lastLines(output: string): string {
  const lines = output
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const errors = lines.filter((line) => /error/i.test(line));
  return (errors.length > 0 ? errors : lines).slice(-5).join(' | ') || 'no output';
}
