import { MillraceError, throwProblems } from '../contracts/errors.js';
import { type CellReader, describeCell } from './cell-readers.js';

/** How many problems of one request are reported; the rest is only counted. */
export const MAX_PROBLEMS = 20;

/** The problems of one request: at most {@link MAX_PROBLEMS} in full. */
export class Problems {
  readonly #all: MillraceError[] = [];
  #more = 0;

  add(path: string, expected: string, received: string, hint?: string): void {
    if (this.#all.length === MAX_PROBLEMS) this.#more += 1;
    else
      this.#all.push(
        new MillraceError('REQUEST_INVALID', { path, expected, received, ...(hint === undefined ? {} : { hint }) }),
      );
  }

  addCell(path: string, row: number, reader: CellReader, cell: unknown): void {
    this.add(cellPath(path, row, reader.column.name), reader.expected, received(reader, cell));
  }

  throwAny(path: string): void {
    if (this.#more > 0) {
      const found = MAX_PROBLEMS + this.#more;
      this.#all[MAX_PROBLEMS - 1] = new MillraceError('REQUEST_INVALID', {
        path,
        expected: 'no problems',
        received: `${found} problems, of which ${MAX_PROBLEMS - 1} are shown`,
      });
    }
    throwProblems(this.#all);
  }
}

function received(reader: CellReader, cell: unknown): string {
  const { kind } = reader.column.type;
  const isNumeric = reader.dtype !== 'string' && kind !== 'bool';
  const isFloat = kind === 'float32' || kind === 'float64';
  if (typeof cell === 'number' && isFloat && Number.isFinite(cell)) return 'a number out of range';
  if (typeof cell === 'number' && !isNumeric && Number.isFinite(cell)) return 'a number';
  if (typeof cell === 'string' && isNumeric) return 'a string';
  return describeCell(cell);
}

/** `rows[3].age`, or `rows[3]["first name"]` where the name is no identifier. */
export function cellPath(path: string, row: number, name: string): string {
  return `${path}[${row}]${/^[A-Za-z_$][\w$]*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`}`;
}
