import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import fastify, { type FastifyInstance } from 'fastify';
import type { ArtifactStore } from '../pipelines/contracts/artifacts.js';
import { MillraceError } from '../pipelines/contracts/errors.js';
import type { InferenceEngine } from '../pipelines/contracts/infer.js';
import type { Registry } from '../pipelines/contracts/registry.js';
import { AskRoutes } from './http/ask-routes.js';
import { Draining } from './http/draining.js';
import { addErrorReplies, answerClientError } from './http/error-replies.js';
import { openHttpServer } from './http/http-server.js';
import { Traffic } from './http/traffic.js';
import { CONTENT_TYPE } from './metrics/prometheus-text.js';
import { ServerMetrics } from './metrics/server-metrics.js';
import { RegistryFollower } from './models/registry-follower.js';
import { VersionCache } from './models/version-cache.js';
import { addEndpointRoutes, predictAnswerer } from './protocols/endpoint-routes.js';
import { addOpenInferenceRoutes, inferAnswerer } from './protocols/open-inference-routes.js';
import { type ResolvedServerOptions, resolveServerOptions, type ServerOptions } from './server-options.js';

/** What a server reads from; it writes nothing. */
export interface ServerSources {
  readonly registry: Registry;
  readonly artifacts: ArtifactStore;
  readonly infer: InferenceEngine;
  /** One line of text, for people. Default: nothing is logged. */
  readonly log?: (message: string) => void;
}

export interface RunningServer {
  /** `http://127.0.0.1:8080`, with the port that was taken. */
  readonly address: string;
  readonly port: number;
  /** Takes over now what changed in the registry, instead of at the next poll. */
  refresh(): Promise<void>;
  /** Answers what was accepted, then stops and lets every model go. */
  close(): Promise<void>;
}

/**
 * Starts an endpoint server on a registry and follows it: a new champion is loaded and warm before the old one goes.
 * It listens at once (`/v2/health/live`); the promise resolves when every endpoint is loaded (`/v2/health/ready`).
 *
 * @param options.port - 0 takes any free one. Default: 8080, on 127.0.0.1.
 * @throws PORT_IN_USE, CONFIG_INVALID
 */
export async function startServer(options: ServerSources & ServerOptions): Promise<RunningServer> {
  const { registry, artifacts, infer, log = () => {}, ...rest } = options;
  const resolved = resolveServerOptions(rest);
  const { limits, models } = resolved;
  const metrics = new ServerMetrics();
  const cache = new VersionCache({ ...models, artifacts, infer, log, observer: metrics });
  const follower = new RegistryFollower(registry, cache, log);
  const traffic = new Traffic(limits, (exchange, isAnswered) => metrics.exchangeOver(exchange, isAnswered));
  metrics.watch(traffic, cache, follower);
  const asks = new AskRoutes(
    traffic,
    limits.maxBodyBytes,
    { predict: predictAnswerer(follower, limits.maxRows), infer: inferAnswerer(follower, limits.maxRows) },
    log,
  );
  const app = fastify({
    routerOptions: { maxParamLength: 256 },
    forceCloseConnections: false,
    return503OnClosing: false,
    exposeHeadRoutes: false,
    serverFactory: (others) =>
      openHttpServer(
        limits,
        traffic,
        (exchange) => asks.take(exchange),
        others,
        () => metrics.connectionRefused('too_many'),
      ),
    clientErrorHandler: (error, socket) => {
      if (error.code !== 'ECONNRESET')
        metrics.connectionRefused(error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'timeout' : 'malformed');
      answerClientError(error, socket);
    },
  });
  const draining = new Draining(app);
  addErrorReplies(app, log);
  dropBodies(app);
  addEndpointRoutes(app, follower);
  addOpenInferenceRoutes(app, follower, () => follower.isReady && !draining.isDraining);
  app.get('/metrics', (_request, reply) => reply.type(CONTENT_TYPE).send(metrics.text()));
  await app.ready();
  const port = await listen(app.server, resolved);
  await follower.start(models.pollMs);

  let closing: Promise<void> | null = null;
  return {
    address: `http://${resolved.host.includes(':') ? `[${resolved.host}]` : resolved.host}:${port}`,
    port,
    refresh: () => follower.refresh(),
    close: () => {
      closing ??= draining
        .drain(limits.drainTimeoutMs)
        .then(() => follower.close())
        .then(() => cache.close());
      return closing;
    },
  };
}

/** What fastify serves takes no body: one that comes is read and thrown away. */
function dropBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, payload, done) => {
    payload.resume();
    done(null);
  });
}

async function listen(server: import('node:http').Server, { host, port }: ResolvedServerOptions): Promise<number> {
  server.listen({ host, port, backlog: 1024 });
  try {
    await once(server, 'listening');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') {
      throw new MillraceError('PORT_IN_USE', {
        path: 'serve.port',
        expected: 'a free port',
        received: `${port} on ${host}, which another process holds`,
        hint: 'Choose another with --port, or --port 0 for any free one.',
        cause,
      });
    }
    throw new MillraceError('CONFIG_INVALID', {
      path: code === 'EACCES' ? 'serve.port' : 'serve.host',
      expected: code === 'EACCES' ? 'a port that this user may open' : 'an address of this machine',
      received: `${port} on ${host} (${code})`,
      hint: code === 'EACCES' ? 'Choose one from 1024 up.' : 'Use 127.0.0.1, or 0.0.0.0 for every address.',
      cause,
    });
  }
  return (server.address() as AddressInfo).port;
}
