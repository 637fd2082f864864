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

/** Every error leaves as `{"error": "<path>: expected …"}`, as the Open Inference Protocol wants it, with our code beside it. */
export function addErrorReplies(app: FastifyInstance, log: (message: string) => void): void {
  app.setErrorHandler((error, request, reply) => {
    if (isMillraceError(error)) {
      const status = statusByCode[error.code] ?? 500;
      if (status >= 500 && error.code !== 'SERVER_BUSY')
        log(`${request.method} ${request.routeOptions.url}: ${error.message}`);
      if (status === 503) void reply.header('retry-after', '1');
      return reply.code(status).send({ error: error.message, code: error.code });
    }
    const status = (error as { statusCode?: unknown }).statusCode;
    if (typeof status === 'number' && status >= 400 && status < 500) {
      return reply
        .code(status)
        .send({ error: `request: expected an HTTP request that this server takes; received ${status}.` });
    }
    log(
      `${request.method} ${request.routeOptions.url}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
    return reply.code(500).send({
      error: 'serve: expected no unforeseen error; received one. The log of the server says more.',
      code: 'INTERNAL',
    });
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
