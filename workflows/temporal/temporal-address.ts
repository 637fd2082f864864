import { MillraceError } from '../../pipelines/contracts/errors.js';

/** Where a Temporal server answers, and in which of its namespaces. */
export interface TemporalAddress {
  /** `host:port` */
  readonly address: string;
  readonly namespace: string;
}

/** From TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE, then from millrace.config.ts; by default the development server's on this machine. */
export function temporalAddress(configured: Partial<TemporalAddress> = {}): TemporalAddress {
  const address = process.env['TEMPORAL_ADDRESS'] || configured.address || '127.0.0.1:7233';
  if (!/^[^\s:/]+:\d{1,5}$|^\[[0-9a-fA-F:]+\]:\d{1,5}$/.test(address)) {
    throw new MillraceError('CONFIG_INVALID', {
      path: 'TEMPORAL_ADDRESS',
      expected: "'<host>:<port>'",
      received: `'${address}'`,
    });
  }
  return { address, namespace: process.env['TEMPORAL_NAMESPACE'] || configured.namespace || 'default' };
}

/** A failed call of a client or worker, in words that say what to do. */
export function serverUnreachable({ address, namespace }: TemporalAddress, error: unknown): MillraceError {
  const text = messageOf(error);
  if (/namespace .*not found/i.test(text)) {
    return new MillraceError('SERVER_UNREACHABLE', {
      path: 'TEMPORAL_NAMESPACE',
      expected: `a namespace of the Temporal server at ${address}`,
      received: `'${namespace}', which it does not have`,
      hint: `Make it with: temporal operator namespace create --namespace ${namespace} --address ${address}`,
      cause: error,
    });
  }
  return new MillraceError('SERVER_UNREACHABLE', {
    path: 'TEMPORAL_ADDRESS',
    expected: `a Temporal server that answers at ${address}`,
    received: text,
    hint: 'Start one with millrace dev, or set TEMPORAL_ADDRESS to one that runs.',
    retryable: true,
    cause: error,
  });
}

function messageOf(error: unknown): string {
  const texts: string[] = [];
  for (let at: unknown = error; at instanceof Error; at = at.cause) texts.push(at.message);
  const text = texts.join(': ').replace(/\s+/g, ' ').trim() || String(error);
  if (/ECONNREFUSED|Connection refused/i.test(text)) return 'a refused connection';
  if (/DEADLINE|deadline|timed out/i.test(text)) return 'no answer in time';
  return text.replace(/\.$/, '');
}
