import { type ErrorCode, errorCodes } from '../../pipelines/contracts/errors.js';
import type { RunResult } from '../../workflows/embedded/run-plan.js';

/**
 * What helps after a run that did not succeed; null where nothing has to be done. Resuming goes on with the plan that the
 * run has: it helps where the machine was at fault, not where pipeline or data must change first.
 */
export function adviceAfter({ run, status, stages }: Pick<RunResult, 'run' | 'status' | 'stages'>): string | null {
  if (status !== 'failed' && status !== 'cancelled') return null;
  const codes = stages.flatMap((stage) =>
    stage.status === 'failed' && stage.error !== null ? [stage.error.code] : [],
  );
  if (codes.some((code) => classOf(code) === 'ConfigError'))
    return 'Mend the pipeline and run it again: what finished is found again.';
  if (codes.some((code) => classOf(code) === 'DataError'))
    return 'Mend the data or the pipeline and run it again: what finished is found again.';
  return `Go on with: millrace runs resume ${run}`;
}

function classOf(code: ErrorCode): (typeof errorCodes)[ErrorCode] {
  return errorCodes[code];
}
