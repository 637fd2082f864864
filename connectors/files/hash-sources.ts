import { createHash } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { Json } from '../../pipelines/contracts/json.js';
import type { SourceFile } from '../../pipelines/contracts/operator.js';
import { expandSource } from './expand-source.js';

/** Where digests of files that did not change are kept; what it loses is hashed again. */
export interface SourceMemo {
  get(state: string): Promise<Json | null>;
  put(state: string, sha256: string): Promise<void>;
}

/** A younger file may change again within one tick of the file system's clock. */
const settledAfterMs = 2000;
/** 1 MiB reads hash three times as fast as 64 KiB reads. */
const readBytes = 1 << 20;

/**
 * Expands a path or glob and names every file by its content.
 *
 * @throws SOURCE_NOT_FOUND, SOURCE_EMPTY - a file of zero bytes. SOURCE_CHANGED - a file that changes while it is read.
 */
export async function hashSources(
  memo: SourceMemo,
  root: string,
  pattern: string,
  path: string,
  signal?: AbortSignal,
): Promise<readonly SourceFile[]> {
  const files: SourceFile[] = [];
  for (const file of await expandSource(root, pattern, path)) files.push(await hashSource(memo, file, path, signal));
  return files;
}

async function hashSource(
  memo: SourceMemo,
  file: string,
  path: string,
  signal: AbortSignal | undefined,
): Promise<SourceFile> {
  const before = await stateOf(file);
  if (before.bytes === 0) {
    throw new MillraceError('SOURCE_EMPTY', {
      path: file,
      expected: 'a file with data',
      received: 'one of 0 bytes',
      hint: `Check what writes it, or narrow the pattern of ${path}.`,
    });
  }
  const known = await memo.get(before.text);
  if (typeof known === 'string') return { path: file, bytes: before.bytes, sha256: known };
  const sha256 = await hashFile(file, signal);
  const after = await stateOf(file);
  if (after.text !== before.text) {
    throw new MillraceError('SOURCE_CHANGED', {
      path: file,
      expected: 'a file that stays as it is while it is read',
      received: 'one that is being written',
      hint: 'Run again once its writer is done.',
      retryable: true,
    });
  }
  if (Date.now() - before.changedMs >= settledAfterMs) await memo.put(before.text, sha256);
  return { path: file, bytes: before.bytes, sha256 };
}

/** sha256 of a file's bytes. @throws CANCELLED */
export async function hashFile(file: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const handle = await open(file, 'r');
  try {
    const buffer = Buffer.allocUnsafe(readBytes);
    for (;;) {
      if (signal?.aborted === true)
        throw new MillraceError('CANCELLED', { path: file, expected: 'to run to its end', received: 'a cancellation' });
      const { bytesRead } = await handle.read(buffer, 0, readBytes, null);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
}

async function stateOf(file: string): Promise<{ text: string; bytes: number; changedMs: number }> {
  const found = await stat(file, { bigint: true });
  return {
    text: JSON.stringify([file, String(found.size), String(found.mtimeNs), String(found.ino)]),
    bytes: Number(found.size),
    changedMs: Number(found.mtimeMs),
  };
}
