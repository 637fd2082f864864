import { MillraceError } from '../contracts/errors.js';
import type { Json } from '../contracts/json.js';
import { describeValue } from '../define/describe-value.js';
import { isPlainObject } from '../define/freeze-deep.js';

/**
 * Params as JSON, for people and for `runs show`: what the stages made of them is in their options.
 * A bigint is its digits, a Date its ISO text, what is undefined is left out.
 *
 * @throws PARAMS_INVALID - a value that JSON does not have.
 */
export function paramsJson(value: unknown, path: string): Json {
  if (value === undefined) return null;
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value.toISOString();
  if (Array.isArray(value)) return value.map((item, index) => paramsJson(item, `${path}.${index}`));
  if (typeof value === 'object' && isPlainObject(value)) {
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, member]) => member !== undefined)
        .map(([name, member]) => [name, paramsJson(member, `${path}.${name}`)]),
    );
  }
  throw new MillraceError('PARAMS_INVALID', {
    path,
    expected: 'a value that JSON has, a bigint or a Date',
    received: describeValue(value),
  });
}
