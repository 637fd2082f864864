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
        'serve.port: expected number to be <=65535; received another value.',
        'serve.limits.maxBodyByte: expected one of maxBodyBytes, maxBodiesBytes, maxRows, maxConnections, headersTimeoutMs, requestTimeoutMs, drainTimeoutMs; received an unknown key. Did you mean "maxBodyBytes"?',
        'serve.modles: expected one of host, port, limits, models; received an unknown key. Did you mean "models"?',
      ].join('\n'),
    );
  });
});
