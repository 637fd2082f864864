import { isUtf8 } from 'node:buffer';
import type { TensorValue } from '../../pipelines/contracts/infer.js';

/**
 * Tensors as bytes, as Triton's binary extension lays them out: little-endian elements without gaps;
 * BOOL one byte each; BYTES a 32-bit length before each element.
 *
 * @see the binary tensor data extension of Triton (triton-inference-server/server, extension_binary_data.md)
 */

/** What came instead of a tensor, worded so that it follows "received". */
export class BinaryMisfit {
  readonly expected: string;
  readonly received: string;

  constructor(expected: string, received: string) {
    this.expected = expected;
    this.received = received;
  }
}

/** NaN is how a missing number travels in bytes. */
function nullForNaN(values: Float32Array | Float64Array): (number | null)[] {
  const cells = new Array<number | null>(values.length);
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!;
    cells[index] = Number.isNaN(value) ? null : value;
  }
  return cells;
}

/** Reads `rows` elements as raw cells. The bytes are copied: a typed array must be aligned. */
export function readBinary(
  bytes: Buffer,
  dtype: TensorValue['dtype'],
  rows: number,
): ArrayLike<unknown> | BinaryMisfit {
  if (dtype === 'string') return readStrings(bytes, rows);
  const width = dtype === 'bool' ? 1 : dtype === 'float32' ? 4 : 8;
  if (bytes.length !== rows * width) return new BinaryMisfit(`${rows * width} bytes`, `${bytes.length}`);
  const { buffer } = new Uint8Array(bytes);
  switch (dtype) {
    case 'float32':
      return nullForNaN(new Float32Array(buffer));
    case 'float64':
      return nullForNaN(new Float64Array(buffer));
    case 'int64':
      return new BigInt64Array(buffer);
    case 'bool':
      return Array.from(bytes, (byte) => (byte === 0 ? false : byte === 1 ? true : byte));
  }
}

function readStrings(bytes: Buffer, rows: number): string[] | BinaryMisfit {
  const strings: string[] = [];
  let offset = 0;
  for (let row = 0; row < rows; row++) {
    const start = offset + 4;
    const length = start <= bytes.length ? bytes.readUInt32LE(offset) : 0;
    if (start > bytes.length || length > bytes.length - start) {
      return new BinaryMisfit(`${rows} elements, each after its length`, `bytes that end within element ${row}`);
    }
    const element = bytes.subarray(start, start + length);
    if (!isUtf8(element)) return new BinaryMisfit('elements in UTF-8', `other bytes in element ${row}`);
    strings.push(element.toString('utf8'));
    offset = start + length;
  }
  return offset === bytes.length ? strings : new BinaryMisfit(`${offset} bytes`, `${bytes.length}`);
}

/** The bytes of a tensor; numbers are not copied. */
export function writeBinary(tensor: TensorValue): Buffer {
  if (tensor.dtype !== 'string') return Buffer.from(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
  const parts: Buffer[] = [];
  for (const text of tensor.data) {
    const element = Buffer.from(text, 'utf8');
    const length = Buffer.alloc(4);
    length.writeUInt32LE(element.length);
    parts.push(length, element);
  }
  return Buffer.concat(parts);
}
