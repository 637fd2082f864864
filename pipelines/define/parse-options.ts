import type { z } from 'zod';
import { type ErrorCode, MillraceError, throwProblems } from '../contracts/errors.js';
import { freezeDeep } from './freeze-deep.js';
import { wordIssue } from './word-issue.js';

/**
 * Checks what a user wrote against a schema and returns the complete, frozen options.
 *
 * @param path - what the options belong to, for example `fit` or `params`.
 * @throws every problem at once, each with its dot path; an unknown key names the nearest known one.
 */
export function parseOptions<T>(
  schema: z.ZodType<T>,
  value: unknown,
  path: string,
  code: ErrorCode = 'CONFIG_INVALID',
): T {
  const result = schema.safeParse(value);
  if (result.success) return freezeDeep(result.data);
  throwProblems(
    result.error.issues
      .flatMap((issue) => wordIssue(issue, schema, value))
      .map(
        ({ path: at, expected, received, hint }) =>
          new MillraceError(code, {
            path: [path, ...at].join('.'),
            expected,
            received,
            ...(hint === null ? {} : { hint }),
          }),
      ),
  );
  throw new Error('unreachable: a failed parse has issues');
}
