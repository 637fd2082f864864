import type { RunResult } from '../../workflows/embedded/run-plan.js';
import type { Services } from '../../workflows/services.js';
import { exitCodeOf } from '../exit.js';
import { printJson } from '../open.js';
import { adviceAfter } from './advice-after.js';
import { renderRun, runObject } from './run-summary.js';

/** What a command says of a run that has ended, whichever host drove it; sets the exit code. */
export async function tellResult(services: Services, result: RunResult, json: boolean): Promise<void> {
  if (json) printJson(await runObject(services, result));
  else process.stdout.write(`${await renderRun(services, result)}\n`);
  const advice = adviceAfter(result);
  if (advice !== null) process.stderr.write(`${advice}\n`);
  process.exitCode = exitCodeOf(result.status);
}
