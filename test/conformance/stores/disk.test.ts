import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDiskArtifactStore } from '../../../connectors/artifact-store/disk-artifact-store.js';
import { type ArtifactPlace, artifactSuite } from './artifact-suite.js';
import { errorOf } from './metadata-suite.js';

let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-artifacts-'));
});

afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

async function place(): Promise<ArtifactPlace> {
  const directory = await mkdtemp(join(root, 'place-'));
  return {
    open: () => openDiskArtifactStore(directory),
    async damage(artifact, path, content) {
      const file = join(artifact.directory, path);
      if (content === null) return await rm(file);
      await chmod(file, 0o644);
      await writeFile(file, content);
    },
    unfinished: async () => (await readdir(join(directory, 'tmp'))).length,
  };
}

artifactSuite('disk', place);

test('disk: a root that is a file is refused', async () => {
  const file = join(root, 'file');
  await writeFile(file, '');
  expect(await errorOf(openDiskArtifactStore(file))).toMatchObject({
    code: 'STORE_UNREADABLE',
    message: `${join(file, 'artifacts')}: expected a store that can be read and written; received ENOTDIR. Check the path and its permissions.`,
  });
});
