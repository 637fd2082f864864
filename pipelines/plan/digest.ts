import { sha256 } from '@noble/hashes/sha2';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils';
import { isPlainObject } from '../define/freeze-deep.js';

/**
 * Canonical JSON: keys sorted by code unit, no white space, `undefined` members left out.
 * Equal values give equal text, so that its digest names the value.
 *
 * @throws TypeError - a number that is not finite, a bigint, a function, a symbol, or an instance of a class: two
 * dates or maps would have one text.
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError(`canonical JSON holds finite numbers only, not ${value}`);
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${Array.from(value, (item) => canonicalJson(item ?? null)).join(',')}]`;
  if (typeof value === 'object') {
    if (!isPlainObject(value)) {
      const name = (value as { readonly constructor?: { readonly name?: string } }).constructor?.name;
      throw new TypeError(`canonical JSON holds plain objects only, not a ${name ?? 'foreign object'}`);
    }
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`);
    return `{${members.join(',')}}`;
  }
  throw new TypeError(`canonical JSON cannot hold a ${typeof value}`);
}

/** Node's own SHA-256, where this runs in Node: at a process's start it takes a twentieth of the time of JavaScript. */
const native = globalThis.process?.getBuiltinModule?.('node:crypto');

/** sha256 of a text's UTF-8 bytes, as 64 hexadecimal digits. In the workflow sandbox pure JavaScript gives the same. */
export function sha256Hex(text: string): string {
  if (native !== undefined) return native.createHash('sha256').update(text, 'utf8').digest('hex');
  return bytesToHex(sha256(utf8ToBytes(text)));
}

/** sha256 of a value's canonical JSON. */
export function digestOf(value: unknown): string {
  return sha256Hex(canonicalJson(value));
}
