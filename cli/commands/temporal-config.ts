import { MillraceError } from '../../pipelines/contracts/errors.js';
import { loadConfig } from '../../workflows/config/load-config.js';
import { type TemporalAddress, temporalAddress } from '../../workflows/temporal/temporal-address.js';

/** The Temporal server of the environment, else of millrace.config.ts, else of this machine. */
export async function configuredTemporal(): Promise<TemporalAddress> {
  const { address, namespace } = (await loadConfig()).config.temporal ?? {};
  return temporalAddress({
    ...(address === undefined ? {} : { address }),
    ...(namespace === undefined ? {} : { namespace }),
  });
}

/** The task queue of the flag, else of millrace.config.ts. @throws NAME_INVALID */
export async function configuredQueue(option: string | undefined): Promise<string> {
  if (option !== undefined && !/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/.test(option)) {
    throw new MillraceError('NAME_INVALID', {
      path: '--queue',
      expected: 'letters, digits, dot, dash and underscore, at most 128',
      received: `'${option}'`,
    });
  }
  return option ?? (await loadConfig()).config.temporal?.queue ?? 'millrace';
}
