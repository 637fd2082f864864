import { readFile } from 'node:fs/promises';
import { MillraceError } from '../../pipelines/contracts/errors.js';

/** A float32 tensor, row-major. */
export interface WeightTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

const maxHeaderBytes = 100 * 1024 * 1024;

/**
 * Reads a safetensors file of float32 tensors as untrusted input: the header is capped, offsets are inside the file
 * without hole or overlap, and every length is its shape's product times 4.
 *
 * @throws ARTIFACT_CORRUPT - with the tensor and the rule.
 */
export async function readWeights(path: string): Promise<ReadonlyMap<string, WeightTensor>> {
  return parseWeights(await readFile(path), path.slice(path.lastIndexOf('/') + 1));
}

/** As {@link readWeights}, from bytes; `name` is for errors. */
export function parseWeights(bytes: Uint8Array, name: string): ReadonlyMap<string, WeightTensor> {
  const corrupt = (path: string, expected: string, received: string): MillraceError =>
    new MillraceError('ARTIFACT_CORRUPT', { path, expected, received });
  if (bytes.byteLength < 8) throw corrupt(name, 'at least 8 bytes', String(bytes.byteLength));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getBigUint64(0, true);
  if (length > BigInt(Math.min(maxHeaderBytes, bytes.byteLength - 8)))
    throw corrupt(`${name}: header`, 'a length inside the file, of at most 100 MiB', `${length} bytes`);
  const start = 8 + Number(length);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, start)));
  } catch {
    throw corrupt(`${name}: header`, 'JSON', `${length} bytes that are not`);
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header))
    throw corrupt(`${name}: header`, 'a JSON object', 'another value');

  const entries = Object.entries(header)
    .filter(([key]) => key !== '__metadata__')
    .map(([key, value]) => ({ key, entry: checkEntry(value, `${name}: ${key}`, corrupt) }));
  entries.sort((a, b) => a.entry.begin - b.entry.begin || a.entry.end - b.entry.end);
  let end = 0;
  for (const { key, entry } of entries) {
    if (entry.begin !== end)
      throw corrupt(`${name}: ${key}`, `data from byte ${end}, without hole or overlap`, String(entry.begin));
    end = entry.end;
  }
  if (start + end !== bytes.byteLength)
    throw corrupt(name, `${start + end} bytes, as the header says`, String(bytes.byteLength));
  return new Map(
    entries.map(({ key, entry }) => [
      key,
      { shape: entry.shape, data: floats(bytes, start + entry.begin, start + entry.end) },
    ]),
  );
}

interface Entry {
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

function checkEntry(
  value: unknown,
  path: string,
  corrupt: (path: string, expected: string, received: string) => MillraceError,
): Entry {
  const {
    dtype,
    shape,
    data_offsets: offsets,
  } = (value ?? {}) as { dtype?: unknown; shape?: unknown; data_offsets?: unknown };
  if (dtype !== 'F32') throw corrupt(path, 'dtype F32', JSON.stringify(dtype) ?? 'none');
  if (!isSizes(shape)) throw corrupt(path, 'a shape of whole numbers', JSON.stringify(shape) ?? 'none');
  if (!isSizes(offsets) || offsets.length !== 2)
    throw corrupt(path, 'two data offsets', JSON.stringify(offsets) ?? 'none');
  const bytes = shape.reduce((product, size) => product * size, 4);
  const [begin, end] = offsets as [number, number];
  if (!Number.isSafeInteger(bytes) || end - begin !== bytes)
    throw corrupt(path, `${bytes} bytes for shape [${shape.join(', ')}]`, `${end - begin}`);
  return { shape, begin, end };
}

function isSizes(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

function floats(bytes: Uint8Array, begin: number, end: number): Float32Array {
  const data = new Float32Array((end - begin) / 4);
  const view = new DataView(bytes.buffer, bytes.byteOffset + begin, end - begin);
  for (let i = 0; i < data.length; i++) data[i] = view.getFloat32(i * 4, true);
  return data;
}
