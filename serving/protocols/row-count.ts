import { MillraceError } from '../../pipelines/contracts/errors.js';

/** @throws REQUEST_TOO_LARGE */
export function checkRowCount(rows: number, path: string, most: number): void {
  if (rows <= most) return;
  throw new MillraceError('REQUEST_TOO_LARGE', {
    path,
    expected: `at most ${most} rows`,
    received: `${rows}`,
    hint: 'Send fewer rows at a time, or score a dataset with predict.',
  });
}
