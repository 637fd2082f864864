import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { type ErrorCode, isMillraceError } from '../../pipelines/contracts/errors.js';

const statusByCode: Partial<Record<ErrorCode, number>> = {
  REQUEST_INVALID: 400,
  NAME_INVALID: 400,
  MODEL_NOT_FOUND: 404,
  ENDPOINT_NOT_FOUND: 404,
  GATE_VERSION_REVOKED: 410,
  REQUEST_TOO_LARGE: 413,
  ENDPOINT_UNAVAILABLE: 503,
  SERVER_BUSY: 503,
  CHILD_DIED: 503,
};

export interface ErrorReply {
  readonly status: number;
  readonly body: { readonly error: string; readonly code?: ErrorCode };
}

/**
 * Every error leaves as `{"error": "<path>: expected …"}`, as the Open Inference Protocol wants it, with our code
 * beside it. What nobody foresaw goes to the log and is not told.
 *
 * @param where - the request, in words for the log.
 */
export function errorReply(error: unknown, where: () => string, log: (message: string) => void): ErrorReply {
  if (isMillraceError(error)) {
    const status = statusByCode[error.code] ?? 500;
    if (status >= 500 && error.code !== 'SERVER_BUSY') log(`${where()}: ${error.message}`);
    return { status, body: { error: error.message, code: error.code } };
  }
  const status = (error as { statusCode?: unknown }).statusCode;
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return { status, body: { error: `request: expected an HTTP request that this server takes; received ${status}.` } };
  }
  log(`${where()}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  return {
    status: 500,
    body: {
      error: 'serve: expected no unforeseen error; received one. The log of the server says more.',
      code: 'INTERNAL',
    },
  };
}

/** An answer of a few hundred bytes. */
export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = JSON.stringify(value);
  const headers = ['Content-Type', 'application/json', 'Content-Length', String(Buffer.byteLength(body))];
  if (status === 503) headers.push('Retry-After', '1');
  response.writeHead(status, headers);
  response.end(body);
}

/** The answers of the routes that fastify serves. */
export function addErrorReplies(app: FastifyInstance, log: (message: string) => void): void {
  app.setErrorHandler((error, request, reply) => {
    const { status, body } = errorReply(error, () => `${request.method} ${request.routeOptions.url}`, log);
    if (status === 503) void reply.header('retry-after', '1');
    return reply.code(status).send(body);
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.length > 200 ? `${request.url.slice(0, 200)}…` : request.url;
    return reply.code(404).send({
      error: `${request.method} ${path}: expected a path of this server; received an unknown one. See GET /endpoints and GET /v2.`,
    });
  });
}

const clientErrors: Readonly<Record<string, readonly [status: string, received: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'a request that took too long to arrive'],
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'headers that are too large'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['413 Payload Too Large', 'chunk extensions that are too large'],
};

/** Answers bytes that are no HTTP request, and hangs up. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, received] = clientErrors[error.code ?? ''] ?? ['400 Bad Request', 'other bytes'];
  const body = JSON.stringify({ error: `request: expected an HTTP request; received ${received}.` });
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}
