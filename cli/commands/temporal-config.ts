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

/** The task queue of the flag, else of millrace.config.ts. */
export async function configuredQueue(option: string | undefined): Promise<string> {
  return option ?? (await loadConfig()).config.temporal?.queue ?? 'millrace';
}
