import { isMillraceError, MillraceError } from '../../pipelines/contracts/errors.js';

/** Errors of the file system in our words; others stay. */
export function describeDiskError(error: unknown, path: string): unknown {
  if (isMillraceError(error)) return error;
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') {
    return new MillraceError('DISK_FULL', {
      path,
      expected: 'room on the disk for the artifact',
      received: code,
      hint: 'Free space and run again; nothing half-written is visible.',
      retryable: true,
      cause: error,
    });
  }
  if (
    code === 'EACCES' ||
    code === 'EPERM' ||
    code === 'EROFS' ||
    code === 'ENOTDIR' ||
    code === 'EEXIST' ||
    code === 'EIO'
  ) {
    return new MillraceError('STORE_UNREADABLE', {
      path,
      expected: 'a store that can be read and written',
      received: code === 'EEXIST' ? 'a file in its place' : code,
      hint: 'Check the path and its permissions.',
      cause: error,
    });
  }
  return error;
}

export function errorCode(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
