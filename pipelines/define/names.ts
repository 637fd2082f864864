import { MillraceError } from '../contracts/errors.js';
import { describeValue } from './parse-options.js';

/**
 * A name of a pipeline, model, alias or endpoint: it becomes part of paths and URLs.
 *
 * @throws NAME_INVALID - anything but 1 to 128 of [A-Za-z0-9._-], a letter or digit first, no '..'.
 */
export function checkName(name: unknown, path: string): string {
  if (typeof name !== 'string' || !/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(name) || name.includes('..')) {
    throw new MillraceError('NAME_INVALID', {
      path,
      expected: "1 to 128 letters, digits, '.', '_' or '-', a letter or digit first, without '..'",
      received: typeof name === 'string' ? describeValue(printable(name)) : describeValue(name),
    });
  }
  return name;
}

function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is made visible here
  return text.replace(/[\u0000-\u001f\u007f]/g, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
