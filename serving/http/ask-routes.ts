import type { IncomingHttpHeaders } from 'node:http';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import { readBody } from './body.js';
import { errorReply, sendJson } from './error-replies.js';
import type { Exchange, Traffic } from './traffic.js';

/** A question to a model, as HTTP brought it. */
export interface Ask {
  /** Of an endpoint or a model; decoded, otherwise unchecked. */
  readonly name: string;
  /** The version asked for; null where the path names none. */
  readonly selector: string | null;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Told as soon as it is known, for the metrics. */
  readonly exchange: Exchange;
}

export interface AskAnswer {
  /** JSON, then the tensors that were asked for as bytes. */
  readonly body: string | Buffer;
  /** Length of the JSON where bytes follow it, else null. */
  readonly headerLength: number | null;
}

/** Throws, or rejects with, an error that becomes the answer. */
export type Answerer = (ask: Ask) => Promise<AskAnswer>;

export interface Answerers {
  /** `POST /endpoints/NAME/predict` */
  readonly predict: Answerer;
  /** `POST /v2/models/NAME[/versions/V]/infer` */
  readonly infer: Answerer;
}

export const HEADER_LENGTH = 'inference-header-content-length';

const paths =
  /^(?:https?:\/\/[^/?#]*)?\/(?:endpoints\/([^/?#]{1,256})\/predict|v2\/models\/([^/?#]{1,256})(?:\/versions\/([^/?#]{1,256}))?\/infer)(?:[?#]|$)/;

/**
 * The requests that ask a model, answered straight from Node's server: fastify's part of them took a quarter of the
 * whole time of a small one.
 */
export class AskRoutes {
  readonly #traffic: Traffic;
  readonly #maxBodyBytes: number;
  readonly #answerers: Answerers;
  readonly #log: (message: string) => void;

  constructor(traffic: Traffic, maxBodyBytes: number, answerers: Answerers, log: (message: string) => void) {
    this.#traffic = traffic;
    this.#maxBodyBytes = maxBodyBytes;
    this.#answerers = answerers;
    this.#log = log;
  }

  /** @returns false for a request that is none of these. */
  take(exchange: Exchange): boolean {
    const { request } = exchange;
    const parts = request.method === 'POST' ? paths.exec(request.url ?? '') : null;
    if (parts === null) return false;
    const [, endpoint, model, version] = parts;
    const route = endpoint === undefined ? 'infer' : 'predict';
    exchange.asked = { route, endpoint: '', served: null };
    readBody(exchange, this.#traffic, this.#maxBodyBytes, (body) => {
      if (body instanceof MillraceError) {
        this.#refuse(exchange, body);
        return;
      }
      try {
        const ask = {
          name: decode(endpoint ?? model ?? ''),
          selector: version === undefined ? null : decode(version),
          headers: request.headers,
          body,
          exchange,
        };
        this.#answerers[route](ask).then(
          (answer) => this.#answer(exchange, answer),
          (error: unknown) => this.#refuse(exchange, error),
        );
      } catch (error) {
        this.#refuse(exchange, error);
      }
    });
    return true;
  }

  #answer(exchange: Exchange, { body, headerLength }: AskAnswer): void {
    if (exchange.isOver) return;
    const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    // A client that does not read keeps its answer in memory.
    if (!exchange.hold(length)) {
      this.#refuse(exchange, this.#traffic.full());
      return;
    }
    const headers = ['Content-Type', 'application/json', 'Content-Length', String(length)];
    if (headerLength !== null) {
      headers[1] = 'application/octet-stream';
      headers.push(HEADER_LENGTH, String(headerLength));
    }
    exchange.response.writeHead(200, headers);
    // A text of ASCII alone is written without looking at its characters again.
    exchange.response.end(body, typeof body === 'string' && body.length === length ? 'latin1' : 'utf8');
  }

  #refuse(exchange: Exchange, error: unknown): void {
    if (exchange.isOver) return;
    const { route } = exchange.asked;
    const { status, body } = errorReply(error, () => `POST ${route}`, this.#log);
    sendJson(exchange.response, status, body);
  }
}

function decode(segment: string): string {
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new MillraceError('REQUEST_INVALID', {
      path: 'request',
      expected: 'a path whose % signs each begin a byte of UTF-8',
      received: 'another one',
    });
  }
}
