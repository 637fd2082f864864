import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { MillraceError } from '../../pipelines/contracts/errors.js';

/** A first record longer than this is no header. */
const maxBytes = 4 << 20;

/**
 * The fields of a CSV file's first record; null where the file holds nothing but blank lines.
 * Reads no further than it must; `.gz` is unpacked.
 *
 * @throws SOURCE_MALFORMED - a quote that never closes, a record without end, a broken gzip file.
 */
export async function readFirstRecord(file: string, delimiter: string): Promise<readonly string[] | null> {
  const raw = createReadStream(file, { highWaterMark: 1 << 16 });
  const stream = file.endsWith('.gz') ? raw.pipe(createGunzip()) : raw;
  raw.on('error', (error) => stream.destroy(error));
  const decoder = new TextDecoder('utf-8', { ignoreBOM: false });
  let text = '';
  let bytes = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      text += decoder.decode(chunk, { stream: true });
      const record = parseRecord(text, delimiter, false);
      if (record !== null && record !== 'torn') return record;
      if (bytes > maxBytes) throw malformed(file, 'a first line of less than 4 MiB', 'a longer one');
    }
  } catch (error) {
    if ((error as { code?: string }).code?.startsWith('Z_'))
      throw malformed(file, 'a whole gzip file', 'one that is cut or broken', error);
    throw error;
  } finally {
    raw.destroy();
    stream.destroy();
  }
  const record = parseRecord(text + decoder.decode(), delimiter, true);
  if (record === 'torn') {
    throw new MillraceError('SOURCE_MALFORMED', {
      path: `${file}:1`,
      expected: 'every quoted field to be closed',
      received: 'a quote that opens on this line and never closes',
      hint: 'Close the quote, or double it where it is part of the text.',
    });
  }
  return record;
}

/** null where there is no record (yet), 'torn' where the text ends inside quotes. */
function parseRecord(text: string, delimiter: string, isWhole: boolean): readonly string[] | 'torn' | null {
  const fields: string[] = [];
  let field = '';
  let isQuoted = false;
  let position = 0;
  if (/^[\r\n]*$/.test(text)) return null;
  for (; position < text.length; position++) {
    const character = text[position] ?? '';
    if (isQuoted) {
      if (character !== '"') field += character;
      else if (text[position + 1] === '"') {
        field += '"';
        position++;
      } else isQuoted = false;
    } else if (character === '"' && field === '') isQuoted = true;
    else if (character === delimiter) {
      fields.push(field);
      field = '';
    } else if (character === '\n' || character === '\r') return [...fields, field];
    else field += character;
  }
  if (!isWhole) return null;
  return isQuoted ? 'torn' : [...fields, field];
}

function malformed(file: string, expected: string, received: string, cause?: unknown): MillraceError {
  return new MillraceError('SOURCE_MALFORMED', {
    path: file,
    expected,
    received,
    ...(cause === undefined ? {} : { cause }),
  });
}
