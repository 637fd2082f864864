import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openSafetensors, readTensor, writeSafetensors } from '../../../native/ts/safetensors.js';
import { temporaryFolder } from '../../integration/native/tabular-fixture.js';

function fileOf(header: unknown, data: number, lengthField?: bigint): string {
  const text = typeof header === 'string' ? header : JSON.stringify(header);
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(lengthField ?? BigInt(Buffer.byteLength(text)));
  const path = join(temporaryFolder(), 'x.safetensors');
  writeFileSync(path, Buffer.concat([head, Buffer.from(text), Buffer.alloc(data)]));
  return path;
}

function messageOf(path: string): string {
  try {
    openSafetensors(path);
  } catch (error) {
    expect(error).toMatchObject({ code: 'ARTIFACT_CORRUPT' });
    return (error as Error).message.slice(path.length + 2);
  }
  return 'no error';
}

const a = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };

describe('safetensors', () => {
  it('reads back what it wrote, zero-sized tensors and metadata included', () => {
    const path = join(temporaryFolder(), 'x.safetensors');
    const tensors = {
      floats: { dtype: 'float32', shape: [2, 2], data: Float32Array.of(1, Number.NaN, -0, 3) },
      none: { dtype: 'float64', shape: [0, 5], data: new Float64Array(0) },
      longs: { dtype: 'int64', shape: [1], data: BigInt64Array.of(-(2n ** 63n)) },
    } as const;
    writeSafetensors(path, tensors, { note: 'ü "quoted"' });
    const file = openSafetensors(path);
    expect(file.metadata).toEqual({ note: 'ü "quoted"' });
    for (const [name, tensor] of Object.entries(tensors)) expect(readTensor(file, name)).toEqual(tensor);
  });

  it('names a file that is not there', () => {
    const path = join(temporaryFolder(), 'none.safetensors');
    expect(() => openSafetensors(path)).toThrow(
      expect.objectContaining({
        code: 'ARTIFACT_MISSING',
        message: `${path}: expected a file that can be read; received ENOENT.`,
      }),
    );
  });

  it('refuses a tensor that the file does not hold', () => {
    const path = fileOf({ a }, 8);
    expect(() => readTensor(openSafetensors(path), 'b')).toThrow(`${path}: expected a tensor 'b'; received none.`);
  });

  it.each([
    ['an empty header length', () => fileOf('', 0), 'expected a header in JSON; received another text.'],
    [
      'a header beyond the cap',
      () => fileOf({}, 0, 2n ** 62n),
      'expected a header of at most 100000000 bytes; received 4611686018427388000.',
    ],
    [
      'a header beyond the file',
      () => fileOf({}, 0, 90n),
      'expected a header of 90 bytes inside the file; received a file of 10 bytes.',
    ],
    ['a header that is a list', () => fileOf([], 0), 'expected a JSON object as header; received another value.'],
    [
      'metadata of numbers',
      () => fileOf({ __metadata__: { a: 1 } }, 0),
      'expected __metadata__ of strings; received another value.',
    ],
    [
      'an unknown dtype',
      () => fileOf({ a: { ...a, dtype: 'F8' } }, 8),
      `expected dtype F32, F64, I32, I64, BOOL, U8 of tensor 'a'; received "F8".`,
    ],
    [
      'a negative size',
      () => fileOf({ a: { ...a, shape: [-2] } }, 8),
      "expected sizes of tensor 'a' that are integers from 0; received another shape.",
    ],
    [
      'a product that overflows',
      () => fileOf({ a: { ...a, shape: [2 ** 40, 2 ** 40] } }, 8),
      "expected 4835703278458516698824704 bytes for tensor 'a' of shape [1099511627776, 1099511627776]; received 8.",
    ],
    [
      'offsets that go back',
      () => fileOf({ a: { ...a, data_offsets: [8, 0] } }, 8),
      "expected two ascending data_offsets of tensor 'a'; received other offsets.",
    ],
    [
      'a hole',
      () => fileOf({ a, b: { dtype: 'F32', shape: [1], data_offsets: [12, 16] } }, 16),
      "expected tensor 'b' to begin at byte 125; received byte 129.",
    ],
    [
      'an overlap',
      () => fileOf({ a, b: { dtype: 'F32', shape: [1], data_offsets: [4, 8] } }, 8),
      "expected tensor 'b' to begin at byte 123; received byte 119.",
    ],
    ['a file that is cut', () => fileOf({ a }, 4), 'expected a file of 70 bytes; received 66 bytes.'],
    ['a file with a tail', () => fileOf({ a }, 9), 'expected a file of 70 bytes; received 71 bytes.'],
  ])('refuses %s', (_name, make, message) => {
    expect(messageOf(make())).toBe(message);
  });
});
