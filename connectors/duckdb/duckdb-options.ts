import { MillraceError } from '../../pipelines/contracts/errors.js';

/** What a DuckDB instance may use. */
export interface DuckdbOptions {
  /** Threads of a session that names none. */
  readonly threads: number;
  /** Memory of a session that names none, MiB. */
  readonly memoryLimitMb: number;
  /** Where sessions spill; each makes a folder of its own there and removes it. */
  readonly temporaryDirectory: string;
}

/** @throws CONFIG_INVALID */
export function checkDuckdbOptions(options: DuckdbOptions): DuckdbOptions {
  checkInteger('sql.threads', options.threads, 1, 1024);
  checkInteger('sql.memoryLimitMb', options.memoryLimitMb, 64, 64 * 1024 * 1024);
  if (options.temporaryDirectory === '') {
    throw new MillraceError('CONFIG_INVALID', {
      path: 'sql.temporaryDirectory',
      expected: 'a directory',
      received: 'an empty text',
    });
  }
  return Object.freeze({ ...options });
}

function checkInteger(path: string, value: number, minimum: number, maximum: number): void {
  if (Number.isInteger(value) && value >= minimum && value <= maximum) return;
  throw new MillraceError('CONFIG_INVALID', {
    path,
    expected: `an integer from ${minimum} to ${maximum}`,
    received: String(value),
  });
}
