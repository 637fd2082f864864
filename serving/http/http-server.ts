import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { sendJson } from './error-replies.js';
import type { Exchange, Traffic } from './traffic.js';

export interface ConnectionLimits {
  readonly maxConnections: number;
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
}

/** How often Node looks for requests that are late, and how often room is made for new connections. */
const CHECK_MS = 1000;
const KEEP_ALIVE_MS = 72_000;

/**
 * Node's HTTP server with what each client may take of it bounded: requests that ask a model go to `take`, the others
 * to `others`.
 *
 * @param take - false for a request that is not for it.
 * @param onDrop - called for each connection that is one too many.
 */
export function openHttpServer(
  limits: ConnectionLimits,
  traffic: Traffic,
  take: (exchange: Exchange) => boolean,
  others: RequestListener,
  onDrop: () => void,
): Server {
  const server = createServer({
    connectionsCheckingInterval: CHECK_MS,
    headersTimeout: Math.min(limits.headersTimeoutMs, limits.requestTimeoutMs),
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // Its own refusal has no body.
    requireHostHeader: false,
  });
  server.maxConnections = limits.maxConnections;
  // Cuts a client that reads nothing; later than the request timeout, which still answers.
  server.setTimeout(limits.requestTimeoutMs + 2000);
  server.on('connection', (socket: Socket) => traffic.connect(socket));
  server.on('request', (request, response) => {
    const exchange = traffic.enter(request, response);
    if (exchange === null) return;
    if (request.headers.host === undefined && request.httpVersionMinor > 0) {
      refuse(response, 400, 'a Host header; received none');
    } else if (!take(exchange)) others(request, response);
  });
  server.on('checkExpectation', (_request, response) => {
    refuse(response, 417, 'no other Expect header than 100-continue; received another one');
  });
  let madeRoomAt = Number.NEGATIVE_INFINITY;
  server.on('drop', () => {
    onDrop();
    // Clients that only keep a connection open make room for those that ask.
    if (performance.now() - madeRoomAt < CHECK_MS) return;
    madeRoomAt = performance.now();
    server.closeIdleConnections();
  });
  return server;
}

function refuse(response: ServerResponse, status: number, words: string): void {
  response.shouldKeepAlive = false;
  sendJson(response, status, { error: `request: expected ${words}.` });
}
