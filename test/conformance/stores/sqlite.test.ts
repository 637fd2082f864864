import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { openSqliteMetadataStore } from '../../../connectors/metadata-store/sqlite-metadata-store.js';
import { type MetadataPlace, metadataSuite } from './metadata-suite.js';
import { registrySuite } from './registry-suite.js';

let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-stores-'));
});

afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

async function place(): Promise<MetadataPlace> {
  const file = join(await mkdtemp(join(root, 'place-')), 'metadata.sqlite');
  return { open: (namespace) => openSqliteMetadataStore({ file, namespace }) };
}

metadataSuite('SQLite', place);
registrySuite('SQLite', place);
