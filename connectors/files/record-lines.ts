import { fileBytes } from './file-bytes.js';

/** From data record `record` (from 0) on, a record's line is `record + shift`. */
export interface LineShift {
  readonly record: number;
  readonly shift: number;
}

const quote = 0x22;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/**
 * Where the records of a CSV file stand: blank lines and line breaks inside quotes move what follows. One pass over the
 * bytes; the first entry is for record 0.
 *
 * @param columns - a blank line is a record (of one NULL) where there is one column, and nothing otherwise.
 */
export async function recordLines(
  file: string,
  options: { readonly header: boolean; readonly delimiter: string; readonly columns: number },
  signal?: AbortSignal,
): Promise<readonly LineShift[]> {
  const delimiter = options.delimiter.charCodeAt(0);
  const shifts: LineShift[] = [];
  let record = options.header ? -1 : 0;
  let line = 1;
  let recordLine = 1;
  let isBlank = true;
  let isQuoted = false;
  let atFieldStart = true;
  const endRecord = (): void => {
    if (isBlank && options.columns > 1) return;
    const shift = recordLine - record;
    if (record >= 0 && shifts.at(-1)?.shift !== shift) shifts.push({ record, shift });
    record++;
  };
  for await (const chunk of fileBytes(file, signal)) {
    for (const byte of chunk) {
      if (byte === lineFeed) {
        line++;
        if (isQuoted) continue;
        endRecord();
        recordLine = line;
        isBlank = true;
        atFieldStart = true;
      } else if (byte === quote && (isQuoted || atFieldStart)) {
        // A doubled quote closes and opens again.
        isQuoted = !isQuoted;
        isBlank = false;
        atFieldStart = !isQuoted;
      } else if (!isQuoted && byte !== carriageReturn) {
        isBlank = false;
        atFieldStart = byte === delimiter;
      }
    }
  }
  if (!isBlank) endRecord();
  return shifts.length > 0 ? shifts : [{ record: 0, shift: options.header ? 2 : 1 }];
}
