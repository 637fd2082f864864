import { expect, test } from 'vitest';
import { adviceAfter } from '../../../../cli/render/advice-after.js';
import { type ErrorCode, MillraceError, serializeError } from '../../../../pipelines/contracts/errors.js';
import type { RunStatus, StageRecord } from '../../../../pipelines/contracts/metadata.js';

const failed = (code: ErrorCode): StageRecord =>
  ({
    stage: 'rows',
    status: 'failed',
    error: serializeError(new MillraceError(code, { path: 'rows', expected: 'rows', received: 'none' })),
  }) as unknown as StageRecord;

const pipeline = 'Mend the pipeline and run it again: what finished is found again.';
const data = 'Mend the data or the pipeline and run it again: what finished is found again.';
const resume = 'Go on with: millrace runs resume 0198';

test.each<[status: RunStatus, codes: readonly ErrorCode[], advice: string | null]>([
  ['succeeded', [], null],
  ['blocked', [], null],
  ['cancelled', [], resume],
  ['failed', ['DISK_FULL'], resume],
  ['failed', ['CHILD_DIED', 'INTERNAL'], resume],
  ['failed', ['SOURCE_NOT_FOUND'], data],
  ['failed', ['DISK_FULL', 'TRAIN_DIVERGED'], data],
  ['failed', ['DATA_TYPE', 'CUSTOM_THROWS'], pipeline],
])('after a run that %s with %j', (status, codes, advice) => {
  expect(adviceAfter({ run: '0198', status, stages: codes.map(failed) })).toBe(advice);
});
