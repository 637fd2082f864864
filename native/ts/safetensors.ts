import { closeSync, fstatSync, fsyncSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { TensorValue } from '../../pipelines/contracts/infer.js';

/** What the header of a safetensors file says of one tensor; `begin` and `end` are byte offsets in the file. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: 'float32' | 'float64' | 'int32' | 'int64' | 'bool' | 'uint8';
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** A checked header: tensors in file order, without overlap or hole, all inside the file. */
export interface SafetensorsFile {
  readonly path: string;
  readonly tensors: readonly TensorEntry[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** What can be written. */
export type WritableTensor =
  | Exclude<TensorValue, { dtype: 'string' }>
  | { readonly dtype: 'int32'; readonly shape: readonly number[]; readonly data: Int32Array };

const maxHeaderBytes = 100_000_000;

const dtypes: Readonly<Record<string, { dtype: TensorEntry['dtype']; bytes: number }>> = {
  F32: { dtype: 'float32', bytes: 4 },
  F64: { dtype: 'float64', bytes: 8 },
  I32: { dtype: 'int32', bytes: 4 },
  I64: { dtype: 'int64', bytes: 8 },
  BOOL: { dtype: 'bool', bytes: 1 },
  U8: { dtype: 'uint8', bytes: 1 },
};

const codes: Readonly<Record<WritableTensor['dtype'], string>> = {
  float32: 'F32',
  float64: 'F64',
  int32: 'I32',
  int64: 'I64',
  bool: 'BOOL',
};

/**
 * Reads and checks the header of a safetensors file as untrusted input; no tensor data is read.
 *
 * @throws ARTIFACT_MISSING - the file cannot be opened.
 * @throws ARTIFACT_CORRUPT - the header breaks the format's rules; names the tensor.
 * @see https://github.com/huggingface/safetensors#format
 */
export function openSafetensors(path: string): SafetensorsFile {
  const file = openForReading(path);
  try {
    const size = fstatSync(file).size;
    if (size < 8) throw corrupt(path, 'a file of at least 8 bytes', `${size} bytes`);
    const length = Number(readBytes(file, path, 0, 8).readBigUInt64LE());
    if (length > maxHeaderBytes) throw corrupt(path, `a header of at most ${maxHeaderBytes} bytes`, String(length));
    if (8 + length > size)
      throw corrupt(path, `a header of ${length} bytes inside the file`, `a file of ${size} bytes`);
    return parseHeader(path, readBytes(file, path, 8, length).toString('utf8'), 8 + length, size);
  } finally {
    closeSync(file);
  }
}

/** Reads one tensor; int32 becomes int64, uint8 becomes bool's array. @throws ARTIFACT_CORRUPT where it is not there */
export function readTensor(file: SafetensorsFile, name: string): TensorValue {
  const entry = file.tensors.find((tensor) => tensor.name === name);
  if (entry === undefined) throw corrupt(file.path, `a tensor '${name}'`, 'none');
  const handle = openForReading(file.path);
  try {
    const bytes = readBytes(handle, file.path, entry.begin, entry.end - entry.begin);
    const buffer = new ArrayBuffer(bytes.length);
    new Uint8Array(buffer).set(bytes);
    const { shape } = entry;
    switch (entry.dtype) {
      case 'float32':
        return { dtype: 'float32', shape, data: new Float32Array(buffer) };
      case 'float64':
        return { dtype: 'float64', shape, data: new Float64Array(buffer) };
      case 'int64':
        return { dtype: 'int64', shape, data: new BigInt64Array(buffer) };
      case 'int32':
        return { dtype: 'int64', shape, data: BigInt64Array.from(new Int32Array(buffer), (value) => BigInt(value)) };
      default:
        return { dtype: 'bool', shape, data: new Uint8Array(buffer) };
    }
  } finally {
    closeSync(handle);
  }
}

/** Writes tensors in the given order to a temporary name, fsyncs and renames. Equal tensors give equal bytes. */
export function writeSafetensors(
  path: string,
  tensors: Readonly<Record<string, WritableTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): void {
  const header: Record<string, unknown> = Object.keys(metadata).length === 0 ? {} : { __metadata__: metadata };
  let offset = 0;
  for (const [name, tensor] of Object.entries(tensors)) {
    header[name] = {
      dtype: codes[tensor.dtype],
      shape: tensor.shape,
      data_offsets: [offset, offset + tensor.data.byteLength],
    };
    offset += tensor.data.byteLength;
  }
  let text = JSON.stringify(header);
  text += ' '.repeat((8 - (Buffer.byteLength(text) % 8)) % 8);
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(BigInt(Buffer.byteLength(text)));
  const temporary = `${path}.${process.pid}.tmp`;
  const file = openSync(temporary, 'w');
  try {
    writeSync(file, head);
    writeSync(file, text);
    for (const { data } of Object.values(tensors)) {
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
    }
    fsyncSync(file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
}

function parseHeader(path: string, text: string, dataBegin: number, fileSize: number): SafetensorsFile {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch {
    throw corrupt(path, 'a header in JSON', 'another text');
  }
  if (!isRecord(header)) throw corrupt(path, 'a JSON object as header', 'another value');
  const tensors: TensorEntry[] = [];
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') {
      if (!isRecord(value) || Object.values(value).some((entry) => typeof entry !== 'string')) {
        throw corrupt(path, '__metadata__ of strings', 'another value');
      }
      metadata = value as Record<string, string>;
    } else {
      tensors.push(parseEntry(path, name, value, dataBegin));
    }
  }
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let end = dataBegin;
  for (const tensor of tensors) {
    if (tensor.begin !== end) {
      throw corrupt(path, `tensor '${tensor.name}' to begin at byte ${end}`, `byte ${tensor.begin}`);
    }
    end = tensor.end;
  }
  if (end !== fileSize) throw corrupt(path, `a file of ${end} bytes`, `${fileSize} bytes`);
  return { path, tensors, metadata };
}

function parseEntry(path: string, name: string, value: unknown, dataBegin: number): TensorEntry {
  if (!isRecord(value)) throw corrupt(path, `an object for tensor '${name}'`, 'another value');
  const kind = typeof value['dtype'] === 'string' ? dtypes[value['dtype']] : undefined;
  if (kind === undefined) {
    throw corrupt(
      path,
      `dtype ${Object.keys(dtypes).join(', ')} of tensor '${name}'`,
      JSON.stringify(value['dtype']) ?? 'none',
    );
  }
  const shape = value['shape'];
  if (!isSizes(shape)) throw corrupt(path, `sizes of tensor '${name}' that are integers from 0`, 'another shape');
  const offsets = value['data_offsets'];
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[1]! < offsets[0]!) {
    throw corrupt(path, `two ascending data_offsets of tensor '${name}'`, 'other offsets');
  }
  // Exact: a product that leaves the safe integers would compare equal to another one.
  const bytes = shape.reduce((product, size) => product * BigInt(size), BigInt(kind.bytes));
  const [begin, end] = offsets as [number, number];
  if (bytes !== BigInt(end - begin)) {
    throw corrupt(path, `${bytes} bytes for tensor '${name}' of shape [${shape.join(', ')}]`, String(end - begin));
  }
  return { name, dtype: kind.dtype, shape, begin: dataBegin + begin, end: dataBegin + end };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && (size as number) >= 0);
}

function openForReading(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (cause) {
    throw new MillraceError('ARTIFACT_MISSING', {
      path,
      expected: 'a file that can be read',
      received: (cause as NodeJS.ErrnoException).code ?? 'an error',
      cause,
    });
  }
}

function readBytes(file: number, path: string, position: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let done = 0; done < length; ) {
    const read = readSync(file, bytes, done, Math.min(length - done, 2 ** 30), position + done);
    if (read === 0) throw corrupt(path, `${length} bytes at byte ${position}`, `${done}`);
    done += read;
  }
  return bytes;
}

function corrupt(path: string, expected: string, received: string): MillraceError {
  return new MillraceError('ARTIFACT_CORRUPT', { path, expected, received });
}
