import type { MetadataStore } from '../../pipelines/contracts/metadata.js';
import { checkNamespace, createMetadataStore } from './metadata-store.js';
import { parsePostgresUrl } from './postgres-address.js';
import { PostgresCaller } from './postgres-caller.js';
import { describePostgresError } from './postgres-errors.js';
import { prepareSchema } from './postgres-schema.js';
import { PostgresSessions } from './postgres-sessions.js';

export interface PostgresMetadataStoreOptions {
  /** `postgres://USER:PASSWORD@HOST:PORT/DATABASE`; without a password PGPASSWORD counts. Its tables live in the schema `millrace`. */
  readonly url: string;
  readonly namespace: string;
  /** How long to wait for another session's locks, and for a server that went away. Default: 10,000. */
  readonly busyTimeoutMs?: number;
}

/**
 * Opens the metadata store in a PostgreSQL database (13 or newer); any number of hosts may have it open.
 * A server that cannot be reached is an error at once here; a store that was opened waits for it.
 *
 * @throws NAME_INVALID - the namespace.
 * @throws CONFIG_INVALID - the URL.
 * @throws STORE_VERSION - the database is of a newer millrace.
 * @throws STORE_UNREADABLE, STORE_LOCKED, DISK_FULL - none of them shows the password.
 */
export async function openPostgresMetadataStore(options: PostgresMetadataStoreOptions): Promise<MetadataStore> {
  const { url, namespace, busyTimeoutMs = 10_000 } = options;
  checkNamespace(namespace);
  const address = parsePostgresUrl(url);
  const sessions = new PostgresSessions(address, busyTimeoutMs);
  try {
    const session = await sessions.take(0);
    try {
      await prepareSchema(session, address);
    } finally {
      session.release();
    }
  } catch (error) {
    await sessions.close();
    throw describePostgresError(error, address, busyTimeoutMs);
  }
  return createMetadataStore(namespace, new PostgresCaller(sessions, address, namespace, busyTimeoutMs));
}
