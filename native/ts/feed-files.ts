import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { FeedBlock, FeedTarget } from './feed-addon.js';

/** Rows of a shard: 2^20. */
export const shardRows = 1_048_576;

/** One tensor of every shard. */
export interface FeedTensor {
  readonly name: 'float' | 'index' | 'label' | 'weight';
  readonly dtype: 'F32' | 'I32';
  readonly width: number;
  /** True: shape [rows]; false: [rows, width]. */
  readonly isFlat: boolean;
}

export interface WrittenShard {
  /** Relative to the feed's directory. */
  readonly path: string;
  readonly rows: number;
}

export function blockOf(tensor: FeedTensor): FeedBlock {
  return { isFloat: tensor.dtype === 'F32', width: tensor.width };
}

/** The safetensors header of a shard, and where its tensors begin in the file. Data begins at a multiple of 64. */
export function shardHeader(
  tensors: readonly FeedTensor[],
  rows: number,
): { readonly header: Buffer; readonly offsets: readonly number[]; readonly bytes: number } {
  let end = 0;
  const starts: number[] = [];
  const entries = tensors.map(({ name, dtype, width, isFlat }) => {
    const start = end;
    end += rows * width * 4;
    starts.push(start);
    return [name, { dtype, shape: isFlat ? [rows] : [rows, width], data_offsets: [start, end] }];
  });
  const json = JSON.stringify(Object.fromEntries(entries));
  const length = Math.ceil((json.length + 8) / 64) * 64 - 8;
  const header = Buffer.alloc(length + 8, ' ');
  header.writeBigUInt64LE(BigInt(length), 0);
  header.write(json, 8, 'latin1');
  return { header, offsets: starts.map((start) => start + header.length), bytes: header.length + end };
}

/** Makes the files of one part: header and size, values still zero. */
export async function createShards(
  directory: string,
  part: string,
  code: number,
  rows: number,
  tensors: readonly FeedTensor[],
): Promise<{ readonly target: FeedTarget; readonly shards: WrittenShard[] }> {
  const shards: WrittenShard[] = [];
  const targets: FeedTarget['shards'][number][] = [];
  for (let start = 0; start < rows; start += shardRows) {
    const path = `${part}-${String(shards.length).padStart(5, '0')}.safetensors`;
    const count = Math.min(shardRows, rows - start);
    const { header, offsets, bytes } = shardHeader(tensors, count);
    const file = await open(join(directory, path), 'wx');
    try {
      await file.write(header, 0, header.length, 0);
      await file.truncate(bytes);
    } finally {
      await file.close();
    }
    shards.push({ path, rows: count });
    targets.push({ path: join(directory, path), rows: count, offsets });
  }
  return { target: { code, rows, shardRows, shards: targets }, shards };
}

export async function sha256OfFile(path: string): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  return { bytes, sha256: hash.digest('hex') };
}
