import { MillraceError } from '../../pipelines/contracts/errors.js';
import { fileBytes } from './file-bytes.js';

const quote = 0x22;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/**
 * Whether a CSV file ends some lines with CR LF and others with LF alone. DuckDB's strict reader refuses such a file
 * as a whole; its lax one would take torn quotes and short rows too, so these are looked for here.
 *
 * @throws SOURCE_MALFORMED - in a file of mixed line ends: a quote that never closes, a record of another width.
 */
export async function hasMixedLineEnds(
  file: string,
  delimiter: string,
  columns: number,
  signal?: AbortSignal,
): Promise<boolean> {
  const counts = { crlf: 0, lf: 0 };
  let before = 0;
  let hasReturn = false;
  const records = new RecordWidths(delimiter.charCodeAt(0), columns);
  for await (const chunk of fileBytes(file, signal)) {
    if (!hasReturn && !chunk.includes(carriageReturn)) {
      // No file of LF alone is looked at byte by byte, unless a CR comes later: then it is mixed, or has one in a field.
      counts.lf += chunk.includes(lineFeed) ? 1 : 0;
    }
    hasReturn ||= chunk.includes(carriageReturn);
    for (let at = chunk.indexOf(lineFeed); hasReturn && at >= 0; at = chunk.indexOf(lineFeed, at + 1)) {
      const previous = at === 0 ? before : chunk[at - 1];
      if (previous === carriageReturn) counts.crlf++;
      else counts.lf++;
    }
    before = chunk.at(-1) ?? before;
  }
  if (counts.crlf === 0 || counts.lf === 0) return false;
  for await (const chunk of fileBytes(file, signal)) records.read(chunk, file);
  records.end(file);
  return true;
}

/** Counts the fields of every record; blank lines are no records. */
class RecordWidths {
  #line = 1;
  #startLine = 1;
  #fields = 1;
  #isBlank = true;
  #isQuoted = false;
  #atFieldStart = true;

  constructor(
    private readonly delimiter: number,
    private readonly columns: number,
  ) {}

  read(chunk: Buffer, file: string): void {
    for (const byte of chunk) {
      if (byte === lineFeed) this.#lineFeed(file);
      else if (byte === quote && (this.#isQuoted || this.#atFieldStart)) {
        this.#isQuoted = !this.#isQuoted;
        this.#isBlank = false;
        this.#atFieldStart = !this.#isQuoted;
      } else if (!this.#isQuoted && byte !== carriageReturn) {
        this.#isBlank = false;
        this.#atFieldStart = byte === this.delimiter;
        if (this.#atFieldStart) this.#fields++;
      }
    }
  }

  end(file: string): void {
    if (this.#isQuoted) {
      throw new MillraceError('SOURCE_MALFORMED', {
        path: `${file}:${this.#startLine}`,
        expected: 'every quoted field to be closed',
        received: 'a record with a quote that never closes',
        hint: 'Close the quote, or double it where it is part of the text.',
      });
    }
    this.#endRecord(file);
  }

  #lineFeed(file: string): void {
    this.#line++;
    if (this.#isQuoted) return;
    this.#endRecord(file);
    this.#startLine = this.#line;
    this.#fields = 1;
    this.#isBlank = true;
    this.#atFieldStart = true;
  }

  #endRecord(file: string): void {
    if (this.#isBlank || this.#fields === this.columns) return;
    throw new MillraceError('SOURCE_MALFORMED', {
      path: `${file}:${this.#startLine}`,
      expected: `${this.columns} fields, as in the first line`,
      received: String(this.#fields),
      hint: 'Mend the line, or quote fields that hold the delimiter.',
    });
  }
}
