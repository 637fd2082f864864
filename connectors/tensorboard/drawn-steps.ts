import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BinaryReader, type WireType } from '@bufbuild/protobuf/wire';
import { framedRecords, isEventFile } from './record-file.js';

/** Of one event: what decides which scalars readers keep. */
interface Mark {
  readonly step: number;
  readonly isSessionStart: boolean;
  readonly tags: readonly string[];
}

/**
 * Steps at which TensorBoard draws a scalar, ascending: the files of a directory by name, each up to its first torn
 * record; a session start drops what came before from its step on.
 */
export async function readDrawnSteps(directory: string, tag: string): Promise<readonly number[]> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  let steps = new Set<number>();
  for (const name of names.filter(isEventFile).sort()) {
    for (const record of framedRecords(await readFile(join(directory, name)))) {
      const { step, isSessionStart, tags } = readMark(record);
      if (isSessionStart) steps = new Set([...steps].filter((one) => one < step));
      if (tags.includes(tag)) steps.add(step);
    }
  }
  return [...steps].sort((a, b) => a - b);
}

/** tensorflow.Event: step 2, summary 5, session_log 7 (status 1: START is 1). */
function readMark(record: Uint8Array): Mark {
  let step = 0;
  let isSessionStart = false;
  const tags: string[] = [];
  eachField(record, (field, reader) => {
    if (field === 2) step = Number(reader.int64());
    else if (field === 5) {
      eachField(reader.bytes(), (inner, summary) => {
        if (inner !== 1) return false;
        const tag = scalarTag(summary.bytes());
        if (tag !== null) tags.push(tag);
        return true;
      });
    } else if (field === 7) {
      eachField(reader.bytes(), (inner, log) => {
        if (inner !== 1) return false;
        isSessionStart = log.int32() === 1;
        return true;
      });
    } else return false;
    return true;
  });
  return { step, isSessionStart, tags };
}

/** Summary.Value: tag 1, simple_value 2; null where it has no simple value. */
function scalarTag(value: Uint8Array): string | null {
  let tag = '';
  let isScalar = false;
  eachField(value, (field, reader) => {
    if (field === 1) tag = reader.string();
    else if (field === 2) {
      reader.float();
      isScalar = true;
    } else return false;
    return true;
  });
  return isScalar ? tag : null;
}

/** Calls `read` for every field; what it does not take (false) is skipped. */
function eachField(message: Uint8Array, read: (field: number, reader: BinaryReader) => boolean): void {
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [field, wireType]: [number, WireType] = reader.tag();
    if (!read(field, reader)) reader.skip(wireType, field);
  }
}
