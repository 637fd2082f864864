import { MillraceError } from '../contracts/errors.js';
import type { ModelSignature } from '../contracts/signature.js';
import type { SqlCell } from '../contracts/sql.js';
import type { Column, IntegerKind } from '../types/column-type.js';

/** The element that a cell becomes in the tensor; undefined where the cell breaks the column's rule. */
export type Element = number | bigint | string | undefined;

/** How cells of one input are read: from JSON, from a program and from SQL alike. */
export interface CellReader {
  readonly column: Column;
  readonly dtype: ModelSignature['inputs'][number]['dtype'];
  /** The rule, worded so that it follows "expected". */
  readonly expected: string;
  /** A missing cell is NaN in a float input and '' in a string input where the column may be null. */
  readonly read: (cell: unknown) => Element;
  /** The cell as the JavaScript type of the type table, for a cell that `read` accepts. */
  readonly toCell: (cell: unknown) => SqlCell;
}

const ranges: Readonly<Record<IntegerKind, readonly [bigint, bigint]>> = {
  int8: [-128n, 127n],
  int16: [-32768n, 32767n],
  int32: [-2147483648n, 2147483647n],
  int64: [-9223372036854775808n, 9223372036854775807n],
  uint8: [0n, 255n],
  uint16: [0n, 65535n],
  uint32: [0n, 4294967295n],
  // An INT64 tensor holds it, so the upper half of the type has no place in a model.
  uint64: [0n, 9223372036854775807n],
};

const safe: readonly [bigint, bigint] = [-9007199254740991n, 9007199254740991n];
const integerText = /^-?\d{1,20}$/;
const dateText = /^(\d{4})-(\d\d)-(\d\d)$/;
const timestampText = /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6})\d*)?(?:Z|([+-])(\d\d):?(\d\d))?$/;

/** Days since the epoch, or undefined for text that is no date. */
function dayOf(text: string): number | undefined {
  const parts = dateText.exec(text);
  return parts === null ? undefined : civilDay(Number(parts[1]), Number(parts[2]), Number(parts[3]));
}

function civilDay(year: number, month: number, day: number): number | undefined {
  const date = new Date(Date.UTC(2000, month - 1, day));
  date.setUTCFullYear(year, month - 1, day);
  const isReal = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  return isReal ? Math.floor(date.getTime() / 86_400_000) : undefined;
}

/** Microseconds since the epoch (UTC where the text names no offset), or undefined for text that is no timestamp. */
function microsecondsOf(text: string): bigint | undefined {
  const parts = timestampText.exec(text);
  if (parts === null) return undefined;
  const day = civilDay(Number(parts[1]), Number(parts[2]), Number(parts[3]));
  const [hour, minute, second] = [Number(parts[4]), Number(parts[5]), Number(parts[6])];
  if (day === undefined || hour > 23 || minute > 59 || second > 59) return undefined;
  const offset = parts[8] === undefined ? 0 : (parts[8] === '-' ? -1 : 1) * (Number(parts[9]) * 60 + Number(parts[10]));
  const seconds = day * 86_400 + hour * 3600 + minute * 60 + second - offset * 60;
  return BigInt(seconds) * 1_000_000n + BigInt((parts[7] ?? '').padEnd(6, '0'));
}

function integerOf(cell: unknown, isWide: boolean): bigint | undefined {
  if (typeof cell === 'bigint') return cell;
  if (typeof cell === 'number') return Number.isSafeInteger(cell) ? BigInt(cell) : undefined;
  return isWide && typeof cell === 'string' && integerText.test(cell) ? BigInt(cell) : undefined;
}

function integerReader(kind: IntegerKind, isFloat: boolean): Pick<CellReader, 'expected' | 'read' | 'toCell'> {
  const isWide = kind === 'int64' || kind === 'uint64';
  const [low, high] = ranges[kind];
  const [least, most] = isFloat && isWide ? [low < safe[0] ? safe[0] : low, safe[1]] : [low, high];
  const [leastNumber, mostNumber] = [
    Math.max(Number(least), -Number.MAX_SAFE_INTEGER),
    Math.min(Number(most), Number.MAX_SAFE_INTEGER),
  ];
  const quoting = isWide && !isFloat ? ' (as a string beyond 2^53)' : '';
  return {
    expected: `an integer from ${least} to ${most}${quoting}`,
    read: (cell) => {
      if (typeof cell === 'number') {
        if (!Number.isInteger(cell) || cell < leastNumber || cell > mostNumber) return undefined;
        return isFloat ? cell : BigInt(cell);
      }
      const value = integerOf(cell, isWide);
      if (value === undefined || value < least || value > most) return undefined;
      return isFloat ? Number(value) : value;
    },
    toCell: (cell) => (isWide ? (integerOf(cell, true) ?? null) : Number(cell)),
  };
}

function readerOfKind(column: Column, dtype: CellReader['dtype']): Pick<CellReader, 'expected' | 'read' | 'toCell'> {
  const isFloat = dtype === 'float32' || dtype === 'float64';
  const { kind } = column.type;
  switch (kind) {
    case 'bool':
      return {
        expected: 'true or false',
        read: (cell) => (cell === true ? 1 : cell === false ? 0 : undefined),
        toCell: (cell) => cell === true,
      };
    case 'float32':
      return {
        expected: 'a finite number in the range of float32',
        read: (cell) => (typeof cell === 'number' && Number.isFinite(Math.fround(cell)) ? cell : undefined),
        toCell: Number,
      };
    case 'float64':
      return {
        expected: 'a finite number',
        read: (cell) =>
          typeof cell === 'number' && Number.isFinite(dtype === 'float32' ? Math.fround(cell) : cell)
            ? cell
            : undefined,
        toCell: Number,
      };
    case 'decimal':
      return {
        expected: 'a decimal number as a string',
        read: (cell) =>
          typeof cell === 'string' && /^-?\d{1,38}(\.\d{1,38})?$/.test(cell)
            ? dtype === 'string'
              ? cell
              : Number(cell)
            : undefined,
        toCell: String,
      };
    case 'string':
      return {
        expected: 'a string without NUL characters',
        // onnxruntime cuts strings at NUL: "a\0b" would be scored as "a".
        read: (cell) => (typeof cell === 'string' && !cell.includes('\0') ? cell : undefined),
        toCell: String,
      };
    case 'date':
      return {
        expected: 'a date as "YYYY-MM-DD"',
        read: (cell) => {
          const day = typeof cell === 'string' ? dayOf(cell) : undefined;
          if (day === undefined || dtype === 'string') return day === undefined ? undefined : (cell as string);
          return isFloat ? day : BigInt(day);
        },
        toCell: String,
      };
    case 'timestamp':
      return {
        expected: 'an ISO 8601 timestamp',
        read: (cell) => {
          const value = typeof cell === 'bigint' ? cell : typeof cell === 'string' ? microsecondsOf(cell) : undefined;
          return value === undefined || !isFloat ? value : Number(value);
        },
        toCell: (cell) => (typeof cell === 'bigint' ? cell : (microsecondsOf(String(cell)) ?? null)),
      };
    case 'bytes':
    case 'list':
    case 'tensor':
    case 'struct':
      throw new MillraceError('GRAPH_NOT_EXPORTABLE', {
        path: `signature.inputs.${column.name}`,
        expected: 'a column that is one number, bool, string, date or timestamp per row',
        received: kind,
        hint: 'Spread it over scalar columns in SQL.',
      });
    default:
      return integerReader(kind, isFloat);
  }
}

/** The reader of one input: the rule of the type table together with how a missing cell enters the model. */
export function cellReader(input: ModelSignature['inputs'][number]): CellReader {
  const { column, dtype } = input;
  const { expected, read, toCell } = readerOfKind(column, dtype);
  const isFloat = dtype === 'float32' || dtype === 'float64';
  const missing = dtype === 'string' ? '' : isFloat ? Number.NaN : undefined;
  if (!column.type.nullable || missing === undefined) return { column, dtype, expected, read, toCell };
  return {
    column,
    dtype,
    expected: `${expected}, or null`,
    read: (cell) => (cell === null ? missing : read(cell)),
    toCell: (cell) => (cell === null ? null : toCell(cell)),
  };
}

/** What a cell is, in words: its kind and never its text, since requests are not to be printed. */
export function describeCell(cell: unknown): string {
  if (cell === undefined) return 'nothing';
  if (cell === null) return 'null';
  if (typeof cell === 'number') {
    if (Number.isNaN(cell)) return 'NaN';
    if (!Number.isFinite(cell)) return cell > 0 ? 'infinity' : '-infinity';
    if (!Number.isInteger(cell)) return 'a fraction';
    return Number.isSafeInteger(cell) ? 'a number out of range' : 'a number beyond 2^53';
  }
  if (typeof cell === 'bigint') return 'an integer out of range';
  if (typeof cell === 'string') return cell.includes('\0') ? 'a string with a NUL character' : 'another string';
  if (Array.isArray(cell)) return 'an array';
  return typeof cell === 'object' ? 'an object' : `a ${typeof cell}`;
}

const readersBySignature = new WeakMap<ModelSignature, readonly CellReader[]>();

/** The readers of a signature's inputs, in its order; made once per signature. */
export function readersOf(signature: ModelSignature): readonly CellReader[] {
  let readers = readersBySignature.get(signature);
  if (readers === undefined) {
    readers = signature.inputs.map(cellReader);
    readersBySignature.set(signature, readers);
  }
  return readers;
}
