import { MillraceError } from '../../pipelines/contracts/errors.js';

const rule = "1 to 128 characters of A-Z a-z 0-9 . _ -, starting with a letter or digit, without '..'";
const pattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** Quoted with every control character escaped, cut after 60 characters: names in errors come from anyone. */
export function quoteName(name: string): string {
  return JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}…` : name);
}

/** @throws NAME_INVALID */
export function checkName(path: string, name: string): void {
  if (typeof name === 'string' && pattern.test(name) && !name.includes('..')) return;
  throw new MillraceError('NAME_INVALID', {
    path,
    expected: rule,
    received: typeof name === 'string' ? quoteName(name) : typeof name,
    hint: 'Choose another name.',
  });
}

/** An alias must not read like the other selectors of a version: a number or a digest. @throws NAME_INVALID */
export function checkAlias(path: string, alias: string): void {
  checkName(path, alias);
  if (!/^\d+$/.test(alias) && !/^[0-9a-f]{64}$/.test(alias)) return;
  throw new MillraceError('NAME_INVALID', {
    path,
    expected: 'an alias that is neither a number nor a digest',
    received: quoteName(alias),
    hint: 'Choose another name.',
  });
}
