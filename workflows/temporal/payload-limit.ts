import { MillraceError } from '../../pipelines/contracts/errors.js';
import { maxPayloadBytes } from './protocol.js';

/**
 * Refuses what is too large to cross Temporal, on both sides of every call: an oversized payload would be tried for ever.
 *
 * @throws INTERNAL
 */
export function checkPayload<T>(path: string, value: T): T {
  const bytes = utf8Bytes(JSON.stringify(value) ?? '');
  if (bytes > maxPayloadBytes) {
    throw new MillraceError('INTERNAL', {
      path,
      expected: `at most ${maxPayloadBytes} bytes across Temporal`,
      received: `${bytes} bytes`,
      hint: 'Put large results into an artifact.',
    });
  }
  return value;
}

/** Bytes of a text in UTF-8; the sandbox has no Buffer. */
function utf8Bytes(text: string): number {
  let bytes = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit < 0x80) bytes += 1;
    else if (unit < 0x800) bytes += 2;
    else if (unit >= 0xd800 && unit < 0xdc00) {
      bytes += 4;
      at++;
    } else bytes += 3;
  }
  return bytes;
}
