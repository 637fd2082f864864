import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';

const chunkBytes = 1024 * 1024;

/** sha256 of a file's bytes, read 1 MiB at a time. */
export async function hashFile(path: string): Promise<{ readonly bytes: number; readonly sha256: string }> {
  const handle = await open(path, 'r');
  try {
    return await hashHandle(handle);
  } finally {
    await handle.close();
  }
}

export async function hashHandle(handle: FileHandle): Promise<{ readonly bytes: number; readonly sha256: string }> {
  const hash = createHash('sha256');
  const { size } = await handle.stat();
  const buffer = Buffer.allocUnsafe(Math.max(1, Math.min(chunkBytes, size)));
  let bytes = 0;
  for (;;) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, bytes);
    if (bytesRead === 0) return { bytes, sha256: hash.digest('hex') };
    hash.update(buffer.subarray(0, bytesRead));
    bytes += bytesRead;
  }
}

/** Runs `task` over the items, at most `width` at a time; the first error wins and later items do not start. */
export async function forEachParallel<T>(
  items: readonly T[],
  width: number,
  task: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  let isFailed = false;
  const lane = async (): Promise<void> => {
    for (const item of queue) {
      if (isFailed) return;
      try {
        await task(item);
      } catch (error) {
        isFailed = true;
        throw error;
      }
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: Math.min(width, items.length) }, lane));
  for (const lane of lanes) if (lane.status === 'rejected') throw lane.reason;
}
