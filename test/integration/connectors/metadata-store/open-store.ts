import { openPostgresMetadataStore } from '../../../../connectors/metadata-store/postgres-metadata-store.js';
import { openSqliteMetadataStore } from '../../../../connectors/metadata-store/sqlite-metadata-store.js';
import type { MetadataStore } from '../../../../pipelines/contracts/metadata.js';

/** @param place - a file, or a URL of PostgreSQL. */
export function openStore(place: string): Promise<MetadataStore> {
  return place.startsWith('postgres:')
    ? openPostgresMetadataStore({ url: place, namespace: 'default' })
    : openSqliteMetadataStore({ file: place, namespace: 'default' });
}
