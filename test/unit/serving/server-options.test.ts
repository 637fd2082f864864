import { describe, expect, it } from 'vitest';
import { resolveServerOptions, type ServerOptions } from '../../../serving/server-options.js';

describe('resolveServerOptions', () => {
  it('completes what is left out', () => {
    expect(resolveServerOptions({ limits: { maxRows: 5 } })).toMatchObject({
      host: '127.0.0.1',
      port: 8080,
      limits: { maxRows: 5, maxBodyBytes: 16_777_216 },
      models: { pollMs: 250 },
    });
  });

  it('reports every problem with its path and the nearest known name', () => {
    const options = { port: 70_000, limits: { maxBodyByte: 1 }, modles: {} } as unknown as ServerOptions;
    expect(() => resolveServerOptions(options)).toThrow(
      [
        'serve.port: expected at most 65535; received 70000.',
        "serve.limits.maxBodyByte: expected one of the keys maxBodyBytes, maxBodiesBytes, maxRows, maxConnections, headersTimeoutMs, requestTimeoutMs, drainTimeoutMs; received 'maxBodyByte'. Did you mean 'maxBodyBytes'?",
        "serve.modles: expected one of the keys host, port, limits, models; received 'modles'. Did you mean 'models'?",
      ].join('\n'),
    );
  });
});
