import { MillraceError } from '../contracts/errors.js';
import type { DriveHost, Spawn } from './drive-plan.js';

/**
 * Runs the child plans of a stage, by index, in as many lanes as the host allows. How a child ended is the
 * operator's to judge, when its stage runs again: a failed one does not stop the others.
 *
 * @throws PLAN_INVALID - a spawn of nothing: the stage would run again, see no children and spawn for ever.
 * @throws what the host rejected with, once every child that was running has settled.
 */
export async function driveSpawned(id: string, spawn: Spawn, host: DriveHost): Promise<void> {
  const count = spawn.kind === 'plan' ? 1 : spawn.count;
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new MillraceError('PLAN_INVALID', {
      path: `plan.stages.${id}`,
      expected: 'a spawn of at least one plan',
      received: String(count),
    });
  }
  let next = 0;
  let isBroken = false;
  const lane = async (): Promise<void> => {
    while (next < count && !host.isCancelled && !isBroken) {
      const index = next++;
      try {
        await host.spawn(id, spawn, index);
      } catch (error) {
        isBroken = true;
        throw error;
      }
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: Math.min(count, Math.max(1, host.spawnLimit)) }, lane));
  const broken = lanes.find((result) => result.status === 'rejected');
  if (broken !== undefined) throw broken.reason;
}
