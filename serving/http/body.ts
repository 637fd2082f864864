import { isUtf8 } from 'node:buffer';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { Exchange, Traffic } from './traffic.js';

/**
 * Reads a body as bytes, whatever its content type says, within two bounds: of one body, and of all that is in memory
 * at once. A length that the client announces is judged before a byte is kept.
 *
 * A refused body is read to its end and thrown away (the request timeout bounds that): closing the connection at once
 * would reset it, and a client that still sends would never see the answer.
 *
 * @param done - called once, never where the client leaves before the end. Errors: REQUEST_TOO_LARGE, SERVER_BUSY
 */
export function readBody(
  exchange: Exchange,
  traffic: Traffic,
  maxBodyBytes: number,
  done: (body: Buffer | MillraceError) => void,
): void {
  const { request } = exchange;
  if (Number(request.headers['content-length']) > maxBodyBytes) {
    request.resume();
    done(tooLarge(maxBodyBytes));
    return;
  }
  let first: Buffer | null = null;
  let chunks: Buffer[] | null = null;
  let bytes = 0;
  const onData = (chunk: Buffer): void => {
    bytes += chunk.length;
    const hasRoom = exchange.hold(chunk.length);
    if (bytes > maxBodyBytes || !hasRoom) {
      request.off('data', onData);
      request.off('end', onEnd);
      first = null;
      chunks = null;
      request.resume();
      done(bytes > maxBodyBytes ? tooLarge(maxBodyBytes) : traffic.full());
    } else if (first === null) first = chunk;
    else if (chunks === null) chunks = [first, chunk];
    else chunks.push(chunk);
  };
  const onEnd = (): void => {
    done(chunks === null ? (first ?? Buffer.alloc(0)) : Buffer.concat(chunks, bytes));
  };
  request.on('data', onData);
  request.on('end', onEnd);
}

/** @throws REQUEST_INVALID - no UTF-8 or no JSON; NaN and Infinity are no JSON. */
export function parseJson(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw invalid('text in UTF-8', 'other bytes');
  const text = bytes.toString('utf8');
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid('JSON', text.trim() === '' ? 'nothing' : `text that is none${placeOf(cause)}`);
  }
}

/** Where V8 stopped: its message also quotes the text, which is not to be repeated. */
function placeOf(cause: unknown): string {
  const place = /at position (\d+)/.exec(cause instanceof Error ? cause.message : '');
  return place === null ? '' : ` at position ${place[1]}`;
}

function invalid(expected: string, received: string): MillraceError {
  const hint = 'NaN and Infinity are not JSON: send null for a missing value.';
  return new MillraceError('REQUEST_INVALID', {
    path: 'body',
    expected,
    received,
    ...(expected === 'JSON' ? { hint } : {}),
  });
}

function tooLarge(most: number): MillraceError {
  return new MillraceError('REQUEST_TOO_LARGE', {
    path: 'body',
    expected: `at most ${most} bytes`,
    received: 'more',
    hint: 'Send fewer rows at a time.',
  });
}
