import type { MetadataStore } from '../../pipelines/contracts/metadata.js';
import { checkNamespace, createMetadataStore } from './metadata-store.js';
import { startSqliteCaller } from './sqlite-caller.js';

export interface SqliteMetadataStoreOptions {
  /** The database file; it and its directory are made where they are missing. */
  readonly file: string;
  readonly namespace: string;
  /** How long to wait for another process's write. Default: 10,000. */
  readonly busyTimeoutMs?: number;
}

/**
 * Opens the metadata store in a SQLite file; several processes may have it open.
 *
 * @throws NAME_INVALID - the namespace.
 * @throws STORE_VERSION - the file is of a newer millrace.
 * @throws STORE_UNREADABLE, STORE_LOCKED, DISK_FULL
 */
export async function openSqliteMetadataStore(options: SqliteMetadataStoreOptions): Promise<MetadataStore> {
  const { file, namespace, busyTimeoutMs = 10_000 } = options;
  checkNamespace(namespace);
  return createMetadataStore(namespace, await startSqliteCaller({ file, busyTimeoutMs }, namespace));
}
