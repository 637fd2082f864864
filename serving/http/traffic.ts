import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import { sendJson } from './error-replies.js';

export interface TrafficLimits {
  /** Bytes of all bodies and answers in memory at once. */
  readonly maxBodiesBytes: number;
  readonly maxConnections: number;
}

/** Requests that one client may send ahead of their answers; one that sends more is cut. */
const MAX_AHEAD = 1000;
/** Requests in memory at once, for each connection allowed. */
const OPEN_PER_CONNECTION = 2;

/** What a request asked, as the metrics tell it; client-made text is never among it. */
export interface Asked {
  readonly route: 'predict' | 'infer' | 'other';
  readonly endpoint: string;
  readonly served: { readonly model: string; readonly version: number } | null;
}

const UNKNOWN: Asked = { route: 'other', endpoint: '', served: null };

/** One request and its answer, from its headers until the answer went out or the client left. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly startedAt = performance.now();
  asked: Asked = UNKNOWN;
  /** Whether there is nobody to answer any more. */
  isOver = false;
  readonly #traffic: Traffic;
  #heldBytes = 0;

  constructor(traffic: Traffic, request: IncomingMessage, response: ServerResponse) {
    this.#traffic = traffic;
    this.request = request;
    this.response = response;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Counts bytes that stay in memory until the exchange is over. @returns whether there is room for them. */
  hold(bytes: number): boolean {
    this.#heldBytes += bytes;
    return this.#traffic.hold(bytes);
  }
}

/**
 * Counts what all clients together hold of this process: connections, requests, bytes. A connection that closes gives
 * back all its requests at once: of the answers that wait behind another one, Node closes none.
 */
export class Traffic {
  readonly #limits: TrafficLimits;
  readonly #onOver: (exchange: Exchange, isAnswered: boolean) => void;
  readonly #connections = new Map<Socket, Set<Exchange>>();
  #openRequests = 0;
  #heldBytes = 0;

  /** @param onOver - called once for each exchange. */
  constructor(limits: TrafficLimits, onOver: (exchange: Exchange, isAnswered: boolean) => void = () => {}) {
    this.#limits = limits;
    this.#onOver = onOver;
  }

  get connections(): number {
    return this.#connections.size;
  }

  get openRequests(): number {
    return this.#openRequests;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Requests of a connection that have no answer yet. */
  openOn(socket: Socket): number {
    return this.#connections.get(socket)?.size ?? 0;
  }

  connect(socket: Socket): void {
    const open = new Set<Exchange>();
    this.#connections.set(socket, open);
    socket.once('close', () => {
      this.#connections.delete(socket);
      for (const exchange of open) this.#end(exchange, false);
      open.clear();
    });
  }

  /** @returns null where there is no room: then the client was answered and asked to hang up, or was cut. */
  enter(request: IncomingMessage, response: ServerResponse): Exchange | null {
    const { socket } = request;
    const open = this.#connections.get(socket);
    const most = this.#limits.maxConnections * OPEN_PER_CONNECTION;
    // Answers leave in order: one that waits behind others would only be one more thing to keep.
    if (open === undefined || open.size >= MAX_AHEAD || (open.size > 0 && this.#openRequests >= most)) {
      socket.destroy();
      return null;
    }
    if (this.#openRequests >= most) {
      const error = busy('request', `at most ${most} open requests`);
      response.shouldKeepAlive = false;
      sendJson(response, 503, { error: error.message, code: error.code });
      return null;
    }
    const exchange = new Exchange(this, request, response);
    open.add(exchange);
    this.#openRequests += 1;
    response.on('close', () => {
      if (open.delete(exchange)) this.#end(exchange, response.writableFinished);
    });
    return exchange;
  }

  hold(bytes: number): boolean {
    this.#heldBytes += bytes;
    return this.#heldBytes <= this.#limits.maxBodiesBytes;
  }

  #end(exchange: Exchange, isAnswered: boolean): void {
    exchange.isOver = true;
    this.#openRequests -= 1;
    this.#heldBytes -= exchange.heldBytes;
    this.#onOver(exchange, isAnswered);
  }

  /** The error for a request whose bytes found no room. */
  full(): MillraceError {
    return busy('body', `at most ${this.#limits.maxBodiesBytes} bytes of all requests at once`);
  }
}

function busy(path: string, expected: string): MillraceError {
  return new MillraceError('SERVER_BUSY', {
    path,
    expected,
    received: 'more',
    hint: 'Send the request again later.',
    retryable: true,
  });
}
