import { existsSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import { openDiskArtifactStore } from '../../../connectors/artifact-store/disk-artifact-store.js';
import { openSqliteMetadataStore } from '../../../connectors/metadata-store/sqlite-metadata-store.js';
import type { ArtifactStore } from '../../../pipelines/contracts/artifacts.js';
import type { MetadataStore } from '../../../pipelines/contracts/metadata.js';

/** A store as the checker reads it: opened without a sweep, so that what was left behind is still there. */
export interface OpenedStore extends AsyncDisposable {
  readonly directory: string;
  readonly artifacts: ArtifactStore;
  readonly metadata: MetadataStore;
  /** What the tables hold, past every operation. */
  rows<T>(statement: string): readonly T[];
}

/** @returns null where no metadata was ever written. */
export async function openForChecking(directory: string): Promise<OpenedStore | null> {
  const file = join(directory, 'metadata.sqlite');
  if (!existsSync(file)) return null;
  const [artifacts, metadata] = await Promise.all([
    openDiskArtifactStore(directory),
    openSqliteMetadataStore({ file, namespace: 'default' }),
  ]);
  const database = new Database(file);
  return {
    directory,
    artifacts,
    metadata,
    rows: <T>(statement: string) => database.prepare(statement).all() as T[],
    async [Symbol.asyncDispose]() {
      database.close();
      await metadata[Symbol.asyncDispose]();
    },
  };
}
