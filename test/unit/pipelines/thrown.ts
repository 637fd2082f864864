import { isMillraceError, MillraceErrors } from '../../../pipelines/contracts/errors.js';

/** Code and full text of every problem that a body throws; empty where it throws nothing. */
export function thrown(body: () => unknown): readonly (readonly [string, string])[] {
  try {
    body();
    return [];
  } catch (error) {
    if (error instanceof MillraceErrors) return error.problems.map((problem) => [problem.code, problem.message]);
    if (isMillraceError(error)) return [[error.code, error.message]];
    throw error;
  }
}
