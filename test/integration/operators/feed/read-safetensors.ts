// A reader of its own, so that the tests do not trust the writer's idea of the format.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Artifact } from '../../../../pipelines/contracts/artifacts.js';
import type { FeedMeta } from '../../../../pipelines/contracts/training.js';

export interface ReadTensor {
  readonly dtype: 'F32' | 'I32';
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

export async function readSafetensors(path: string): Promise<Record<string, ReadTensor>> {
  const file = await readFile(path);
  const length = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, 8 + length).toString('utf8')) as Record<
    string,
    { dtype: 'F32' | 'I32'; shape: number[]; data_offsets: [number, number] }
  >;
  return Object.fromEntries(
    Object.entries(header).map(
      ([
        name,
        {
          dtype,
          shape,
          data_offsets: [from, to],
        },
      ]) => {
        const bytes = file.buffer.slice(file.byteOffset + 8 + length + from, file.byteOffset + 8 + length + to);
        return [name, { dtype, shape, data: dtype === 'F32' ? new Float32Array(bytes) : new Int32Array(bytes) }];
      },
    ),
  );
}

/** All shards of a part, one below the other, as plain arrays. */
export async function readPart(feed: Artifact, part: 'train' | 'validation'): Promise<Record<string, number[]>> {
  const { splits } = feed.manifest.meta as unknown as FeedMeta;
  return readShards(splits[part].shards.map(({ path }) => join(feed.directory, path)));
}

export async function readShards(paths: readonly string[]): Promise<Record<string, number[]>> {
  const result: Record<string, number[]> = {};
  for (const path of paths) {
    for (const [name, tensor] of Object.entries(await readSafetensors(path)))
      result[name] = [...(result[name] ?? []), ...tensor.data];
  }
  return result;
}
