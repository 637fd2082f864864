import { MillraceError } from '../contracts/errors.js';
import { describeValue } from './describe-value.js';

/**
 * A name of a pipeline, model, alias or endpoint: it becomes part of paths and URLs.
 *
 * @throws NAME_INVALID - anything but 1 to 128 of [A-Za-z0-9._-], a letter or digit first, no '..'.
 */
export function checkName(name: unknown, path: string): string {
  if (typeof name === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(name) && !name.includes('..')) return name;
  throw new MillraceError('NAME_INVALID', {
    path,
    expected: "1 to 128 letters, digits, '.', '_' or '-', a letter or digit first, without '..'",
    received: describeValue(name),
  });
}

/**
 * A part of a stage's id: a key that `build` returned, or the name of an input of a custom stage.
 *
 * @throws NAME_INVALID - anything but a letter and up to 63 letters, digits and _.
 */
export function checkStageName(name: string, path: string): string {
  if (/^[A-Za-z][A-Za-z0-9_]{0,63}$/.test(name)) return name;
  throw new MillraceError('NAME_INVALID', {
    path,
    expected: 'a name of 1 to 64 letters, digits and _, a letter first',
    received: describeValue(name),
  });
}
