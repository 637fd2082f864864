import { MillraceError } from '../../pipelines/contracts/errors.js';

const rule =
  "a relative path of '/'-separated names of 1 to 255 bytes, without '.', '..', backslashes and control characters";

/** Where an artifact's own description lies: no file of a writer may have this path. */
export const manifestName = 'manifest.json';

function isSafe(path: string): boolean {
  if (path === '' || path === manifestName || Buffer.byteLength(path) > 1024) return false;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (/[\u0000-\u001f\u007f\\]/.test(path)) return false;
  return path
    .split('/')
    .every((name) => name !== '' && name !== '.' && name !== '..' && Buffer.byteLength(name) <= 255);
}

/** @throws NAME_INVALID */
export function checkFileName(path: string): void {
  if (isSafe(path)) return;
  throw new MillraceError('NAME_INVALID', {
    path: 'artifact',
    expected: path === manifestName ? `a file that is not named ${manifestName}` : rule,
    received: JSON.stringify(path.length > 60 ? `${path.slice(0, 60)}…` : path),
    hint: 'Choose another name.',
  });
}

export function isDigest(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

/** @throws NAME_INVALID */
export function checkDigest(text: string): void {
  if (isDigest(text)) return;
  throw new MillraceError('NAME_INVALID', {
    path: 'artifact',
    expected: 'a digest of 64 hexadecimal digits',
    received: JSON.stringify(text.length > 70 ? `${text.slice(0, 70)}…` : text),
  });
}
