/**
 * Commits one artifact of small and large files to an S3 store, and says on stdout how far it is: a line for every
 * object or part that went up, then the digest. Arguments: url, endpoint, cache directory.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openS3ArtifactStore } from '../../../../connectors/artifact-store/s3-artifact-store.js';
import { writeShards } from './s3-shards.js';

const [url = '', endpoint = '', cacheDirectory = ''] = process.argv.slice(2);
const store = await openS3ArtifactStore({
  url,
  endpoint,
  cacheDirectory,
  onUpload: ({ sentBytes }) => process.stdout.write(`${sentBytes}\n`),
});
const writer = await store.create('dataset');
await writeShards((path, bytes) => writeFile(join(writer.directory, path), bytes));
process.stdout.write(`${(await writer.commit({ rows: 1 })).digest}\n`);
