import { isMillraceError, MillraceError } from '../../pipelines/contracts/errors.js';

/** What libsql throws: SQLite's symbolic code, for example `SQLITE_BUSY`. */
interface SqliteError {
  readonly code: string;
  readonly message: string;
}

function isSqliteError(error: unknown): error is SqliteError {
  return error instanceof Error && typeof (error as { code?: unknown }).code === 'string';
}

/** Whether the whole transaction is lost, not only the operation that met the error. */
export function isFatal(error: unknown): boolean {
  return isSqliteError(error) && /^SQLITE_(BUSY|FULL|IOERR|CORRUPT|NOTADB|READONLY|CANTOPEN|NOMEM)/.test(error.code);
}

export function isBusy(error: unknown): boolean {
  return isSqliteError(error) && error.code.startsWith('SQLITE_BUSY');
}

/** SQLite's errors in our words; others stay. */
export function describeSqliteError(error: unknown, file: string, busyTimeoutMs: number): unknown {
  if (isMillraceError(error) || !isSqliteError(error)) return error;
  const { code } = error;
  if (code.startsWith('SQLITE_FULL') || code === 'SQLITE_IOERR_WRITE') {
    return new MillraceError('DISK_FULL', {
      path: file,
      expected: 'room on the disk for the metadata store',
      received: code,
      hint: 'Free space and run again; what was committed is whole.',
      retryable: true,
      cause: error,
    });
  }
  if (code.startsWith('SQLITE_BUSY')) {
    return new MillraceError('STORE_LOCKED', {
      path: file,
      expected: `the write lock within ${busyTimeoutMs} ms`,
      received: 'another process that holds it',
      hint: 'Wait for the other process or end it.',
      retryable: true,
      cause: error,
    });
  }
  if (/^SQLITE_(IOERR|CORRUPT|NOTADB|READONLY|CANTOPEN|PERM|AUTH)/.test(code)) {
    return new MillraceError('STORE_UNREADABLE', {
      path: file,
      expected: 'a readable and writable SQLite database',
      received: `${code} (${error.message})`,
      hint: 'Check the permissions of the store, or restore it from a backup.',
      cause: error,
    });
  }
  return error;
}
