import type { Server } from 'node:http';
import { Server as NetServer } from 'node:net';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';

/** How long a client of an idle connection may take to send what it has begun when the server stops. */
const IDLE_GRACE_MS = 200;

/**
 * Stops a server without failing what it has accepted: no new connections; every answer from now on asks its client
 * to hang up; connections without a request are closed after a short grace; the rest gets `timeoutMs`.
 */
export class Draining {
  readonly #app: FastifyInstance;
  readonly #server: Server;
  #isDraining = false;

  constructor(app: FastifyInstance) {
    this.#app = app;
    this.#server = app.server;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  async drain(timeoutMs: number): Promise<void> {
    this.#isDraining = true;
    this.#server.prependListener('request', (_request, response) => {
      // Node then says "Connection: close".
      response.shouldKeepAlive = false;
    });
    const deadline = performance.now() + timeoutMs;
    // http.Server.close also cuts idle connections at once, on which a request may just be arriving.
    NetServer.prototype.close.call(this.#server, () => {});
    const idleAt = performance.now() + IDLE_GRACE_MS;
    while ((await this.#connections()) > 0 && performance.now() < deadline) {
      if (performance.now() >= idleAt) this.#server.closeIdleConnections();
      await delay(10);
    }
    this.#server.closeAllConnections();
    await this.#app.close();
  }

  #connections(): Promise<number> {
    return new Promise((resolve) => {
      this.#server.getConnections((error, count) => resolve(error === null ? count : 0));
    });
  }
}
