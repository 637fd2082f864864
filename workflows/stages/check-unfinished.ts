import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { RunRecord } from '../../pipelines/contracts/metadata.js';

/** Refuses to go on with a run that has nothing left to do. @throws RUN_FINISHED */
export function checkUnfinished(run: RunRecord): void {
  if (run.status === 'succeeded') {
    throw new MillraceError('RUN_FINISHED', {
      path: run.id,
      expected: 'a run that has something left to do',
      received: 'one that succeeded',
      hint: 'Start a new one with millrace run.',
    });
  }
}
