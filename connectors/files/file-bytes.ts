import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { MillraceError } from '../../pipelines/contracts/errors.js';

/** A file's bytes in chunks, unpacked where its name ends in `.gz`. @throws CANCELLED */
export async function* fileBytes(file: string, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  const raw = createReadStream(file, { highWaterMark: 1 << 20 });
  const stream = file.endsWith('.gz') ? raw.pipe(createGunzip()) : raw;
  raw.on('error', (error) => stream.destroy(error));
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      if (signal?.aborted === true)
        throw new MillraceError('CANCELLED', { path: file, expected: 'to run to its end', received: 'a cancellation' });
      yield chunk;
    }
  } finally {
    raw.destroy();
  }
}
