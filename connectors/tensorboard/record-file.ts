import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { crc32c } from '@node-rs/crc32';

/** Bytes around the data of a record: u64 length, u32 masked crc of the length; u32 masked crc of the data. */
const headerBytes = 12;
const footerBytes = 4;
const bufferBytes = 256 * 1024;

/** The masking of TFRecord: rotate right by 15, add a constant. */
function mask(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

const lengthChecks = new Map<number, number>();

function checkOfLength(length: number): number {
  let check = lengthChecks.get(length);
  if (check === undefined) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(length));
    check = mask(crc32c(bytes));
    lengthChecks.set(length, check);
  }
  return check;
}

const eventFileName = /^events\.out\.tfevents\.(\d{10})\./;

export function isEventFile(name: string): boolean {
  return eventFileName.test(name);
}

/**
 * The name of a new event file, which sorts behind all others of the directory even where the clock went back
 * or a resumed run begins within the same second: TensorBoard reads files by name.
 */
function nextName(directory: string): { readonly name: string; readonly isFirst: boolean } {
  let newest = 0;
  let isFirst = true;
  for (const name of readdirSync(directory)) {
    const stamp = eventFileName.exec(name)?.[1];
    if (stamp === undefined) continue;
    newest = Math.max(newest, Number(stamp));
    isFirst = false;
  }
  const stamp = Math.max(Math.floor(Date.now() / 1000), newest + 1);
  const host = hostname().replace(/[^A-Za-z0-9.-]/g, '-');
  return { name: `events.out.tfevents.${String(stamp).padStart(10, '0')}.${host}.${process.pid}`, isFirst };
}

/** One event file: records framed as TFRecord, buffered, appended when 256 KiB are full or someone flushes. */
export class RecordFile {
  /** Whether the directory had no event file before. */
  readonly isFirst: boolean;
  readonly #directory: string;
  readonly #descriptor: number;
  readonly #buffer = Buffer.allocUnsafe(bufferBytes);
  #length = 0;
  #isDirectorySynced = false;

  constructor(directory: string) {
    mkdirSync(directory, { recursive: true });
    const { name, isFirst } = nextName(directory);
    this.#directory = directory;
    this.#descriptor = openSync(join(directory, name), 'ax');
    this.isFirst = isFirst;
  }

  /**
   * Frames a record whose data `encode` writes straight into the buffer.
   *
   * @param mostBytes - at least what `encode` will write.
   * @param encode - writes at the offset and returns the offset behind.
   */
  append(mostBytes: number, encode: (target: Buffer, offset: number) => number): void {
    const whole = headerBytes + mostBytes + footerBytes;
    if (whole > bufferBytes - this.#length) this.write();
    if (whole > bufferBytes) {
      const target = Buffer.allocUnsafe(whole);
      this.#writeAll(target.subarray(0, frame(target, 0, encode)));
    } else {
      this.#length = frame(this.#buffer, this.#length, encode);
    }
  }

  /** Hands the buffer to the operating system, so that readers see it. */
  write(): void {
    if (this.#length === 0) return;
    const pending = this.#buffer.subarray(0, this.#length);
    this.#length = 0;
    this.#writeAll(pending);
  }

  /** Makes everything durable. */
  sync(): void {
    this.write();
    fsyncSync(this.#descriptor);
    if (this.#isDirectorySynced) return;
    const directory = openSync(this.#directory, 'r');
    try {
      fsyncSync(directory);
    } finally {
      closeSync(directory);
    }
    this.#isDirectorySynced = true;
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #writeAll(bytes: Buffer): void {
    for (let written = 0; written < bytes.length; ) written += writeSync(this.#descriptor, bytes, written);
  }
}

function frame(target: Buffer, start: number, encode: (target: Buffer, offset: number) => number): number {
  const dataStart = start + headerBytes;
  const dataEnd = encode(target, dataStart);
  const length = dataEnd - dataStart;
  target.writeUInt32LE(length, start);
  target.writeUInt32LE(0, start + 4);
  target.writeUInt32LE(checkOfLength(length), start + 8);
  return target.writeUInt32LE(mask(crc32c(target.subarray(dataStart, dataEnd))), dataEnd);
}

/** The data of a file's records, up to the first that is torn or damaged: readers stop there, too. */
export function* framedRecords(file: Buffer): Generator<Buffer> {
  for (let start = 0; start + headerBytes + footerBytes <= file.length; ) {
    const length = Number(file.readBigUInt64LE(start));
    const dataStart = start + headerBytes;
    const dataEnd = dataStart + length;
    if (dataEnd + footerBytes > file.length || file.readUInt32LE(start + 8) !== checkOfLength(length)) return;
    const data = file.subarray(dataStart, dataEnd);
    if (file.readUInt32LE(dataEnd) !== mask(crc32c(data))) return;
    yield data;
    start = dataEnd + footerBytes;
  }
}
