import { describe, expect, it } from 'vitest';
import { type FeedTensor, shardHeader } from '../../../../native/ts/feed-files.js';

const tensors: readonly FeedTensor[] = [
  { name: 'float', dtype: 'F32', width: 3, isFlat: false },
  { name: 'index', dtype: 'I32', width: 2, isFlat: false },
  { name: 'label', dtype: 'F32', width: 1, isFlat: true },
];

describe('the header of a shard', () => {
  it('is safetensors, with data at a multiple of 64 bytes', () => {
    const { header, offsets, bytes } = shardHeader(tensors, 10);
    const length = Number(header.readBigUInt64LE(0));
    expect(header.length).toBe(length + 8);
    expect(header.length % 64).toBe(0);
    expect(JSON.parse(header.subarray(8).toString('utf8'))).toEqual({
      float: { dtype: 'F32', shape: [10, 3], data_offsets: [0, 120] },
      index: { dtype: 'I32', shape: [10, 2], data_offsets: [120, 200] },
      label: { dtype: 'F32', shape: [10], data_offsets: [200, 240] },
    });
    expect(offsets).toEqual([0, 120, 200].map((start) => start + header.length));
    expect(bytes).toBe(header.length + 240);
  });

  it('holds offsets beyond 2^32 exactly', () => {
    const wide: FeedTensor = { name: 'float', dtype: 'F32', width: 4096, isFlat: false };
    expect(shardHeader([wide], 1_048_576).bytes - shardHeader([wide], 1_048_576).header.length).toBe(2 ** 34);
  });
});
