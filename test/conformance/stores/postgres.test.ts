import { afterAll, beforeAll } from 'vitest';
import { openPostgresMetadataStore } from '../../../connectors/metadata-store/postgres-metadata-store.js';
import { startPostgres, type TestPostgres } from '../../support/postgres.js';
import { type MetadataPlace, metadataSuite } from './metadata-suite.js';
import { registrySuite } from './registry-suite.js';

let server: TestPostgres;

beforeAll(async () => {
  server = await startPostgres();
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

async function place(): Promise<MetadataPlace> {
  const url = await server.createDatabase();
  return { open: (namespace) => openPostgresMetadataStore({ url, namespace }) };
}

metadataSuite('PostgreSQL', place);
registrySuite('PostgreSQL', place);
