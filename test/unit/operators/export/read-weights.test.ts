import { describe, expect, it } from 'vitest';
import { parseWeights } from '../../../../operators/export/read-weights.js';

function file(header: unknown, dataBytes: number, length?: bigint): Uint8Array {
  const text = typeof header === 'string' ? header : JSON.stringify(header);
  const bytes = new Uint8Array(8 + text.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  bytes.set(new TextEncoder().encode(text), 8);
  new DataView(bytes.buffer).setFloat32(8 + text.length, 1.5, true);
  return bytes;
}

const entry = (shape: unknown, begin: number, end: number, dtype = 'F32') => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

function messageOf(bytes: Uint8Array): string {
  try {
    parseWeights(bytes, 'w');
  } catch (error) {
    expect(error).toMatchObject({ code: 'ARTIFACT_CORRUPT' });
    return (error as Error).message;
  }
  return '';
}

describe('parseWeights', () => {
  it('reads tensors in any order, scalars and empty ones, at any alignment', () => {
    const header = {
      __metadata__: { format: 'pt' },
      b: entry([], 8, 12),
      a: entry([2, 1], 0, 8),
      none: entry([0, 3], 12, 12),
    };
    const bytes = file(header, 12);
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    for (const view of [bytes, shifted.subarray(1)]) {
      const weights = parseWeights(view, 'w');
      expect(weights.get('a')).toEqual({ shape: [2, 1], data: Float32Array.of(1.5, 0) });
      expect(weights.get('b')).toEqual({ shape: [], data: Float32Array.of(0) });
      expect(weights.get('none')!.data).toHaveLength(0);
      expect(weights.size).toBe(3);
    }
  });

  it.each([
    ['a file shorter than its length field', new Uint8Array(3), 'w: expected at least 8 bytes; received 3.'],
    [
      'a header longer than the file',
      file({}, 4, 1_000_000n),
      'w: header: expected a length inside the file, of at most 100 MiB; received 1000000 bytes.',
    ],
    [
      'a length of 2^64 - 1',
      file({}, 4, 2n ** 64n - 1n),
      'w: header: expected a length inside the file, of at most 100 MiB; received 18446744073709551615 bytes.',
    ],
    ['a header that is no JSON', file('{nope', 4), 'w: header: expected JSON; received 5 bytes that are not.'],
    ['a header that is a list', file([], 4), 'w: header: expected a JSON object; received another value.'],
    ['another dtype', file({ a: entry([1], 0, 4, 'F64') }, 4), 'w: a: expected dtype F32; received "F64".'],
    ['a negative size', file({ a: entry([-1], 0, 4) }, 4), 'w: a: expected a shape of whole numbers; received [-1].'],
    [
      'a product that overflows',
      file({ a: entry([2 ** 40, 2 ** 40], 0, 4) }, 4),
      `w: a: expected ${4 * 2 ** 80} bytes for shape [1099511627776, 1099511627776]; received 4.`,
    ],
    [
      'three offsets',
      file({ a: { dtype: 'F32', shape: [1], data_offsets: [0, 4, 8] } }, 4),
      'w: a: expected two data offsets; received [0,4,8].',
    ],
    [
      'a hole',
      file({ a: entry([1], 4, 8) }, 8),
      'w: a: expected data from byte 0, without hole or overlap; received 4.',
    ],
    [
      'an overlap',
      file({ a: entry([2], 0, 8), b: entry([1], 4, 8) }, 8),
      'w: b: expected data from byte 8, without hole or overlap; received 4.',
    ],
    [
      'bytes behind the end',
      file({ a: entry([1], 0, 4) }, 8),
      'w: expected 66 bytes, as the header says; received 70.',
    ],
    ['null as an entry', file({ a: null }, 4), 'w: a: expected dtype F32; received none.'],
  ])('refuses %s', (_what, bytes, message) => {
    expect(messageOf(bytes)).toBe(message);
  });
});
