import { isUtf8 } from 'node:buffer';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { MillraceError } from '../../pipelines/contracts/errors.js';

export interface BodyLimits {
  readonly maxBodyBytes: number;
  /** Of all requests at once. */
  readonly maxBodiesBytes: number;
}

/** Bodies announced as no larger are not counted: the number of connections bounds them. */
const SMALL_BYTES = 16 * 1024;

/**
 * Reads every body as bytes, whatever its content type says, within two bounds: of one body, and of all bodies that
 * are in memory at once. A length that the client announces is judged before a byte is kept.
 *
 * A refused body is read to its end and thrown away (the request timeout bounds that): closing the connection at once
 * would reset it, and a client that still sends would never see the answer.
 */
export function addBodyReader(app: FastifyInstance, limits: BodyLimits): void {
  let held = 0;
  const heldBy = new WeakMap<object, { bytes: number }>();
  app.addHook('preParsing', (request, reply, payload, done) => {
    if (Number(request.headers['content-length']) <= SMALL_BYTES) {
      done(null, payload);
      return;
    }
    const share = { bytes: 0 };
    heldBy.set(request, share);
    // Emitted once: after the answer went out, or when the client left.
    reply.raw.once('close', () => {
      held -= share.bytes;
      share.bytes = 0;
    });
    done(null, payload);
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (request, payload, done) => {
    const share = heldBy.get(request) ?? null;
    const chunks: Buffer[] = [];
    let bytes = 0;
    const refuse = (error: MillraceError): void => {
      payload.removeAllListeners('data');
      payload.removeAllListeners('end');
      payload.resume();
      done(null, error);
    };
    if (Number(request.headers['content-length']) > limits.maxBodyBytes) {
      payload.on('error', () => {});
      refuse(tooLarge(limits.maxBodyBytes));
      return;
    }
    payload.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (share !== null) {
        share.bytes += chunk.length;
        held += chunk.length;
      }
      if (bytes > limits.maxBodyBytes) refuse(tooLarge(limits.maxBodyBytes));
      else if (held > limits.maxBodiesBytes) refuse(tooBusy(limits.maxBodiesBytes));
      else chunks.push(chunk);
    });
    payload.once('end', () => done(null, chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, bytes)));
    payload.once('error', (error) => done(error));
  });
}

/** The bytes of the body. @throws REQUEST_TOO_LARGE, SERVER_BUSY */
export function bodyOf(request: FastifyRequest): Buffer {
  if (request.body instanceof Error) throw request.body;
  return Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
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

function tooBusy(most: number): MillraceError {
  return new MillraceError('SERVER_BUSY', {
    path: 'body',
    expected: `at most ${most} bytes of all requests at once`,
    received: 'more',
    hint: 'Send the request again later.',
    retryable: true,
  });
}
