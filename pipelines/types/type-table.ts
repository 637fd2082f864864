import type { Column, ColumnType, Kind, ScalarKind } from './column-type.js';

/** What a kind is in each room. `duckdb` is the type that a written dataset has. */
export interface TypeRow {
  readonly duckdb: string;
  readonly arrow: string;
  readonly js: string;
  readonly feed: string;
  readonly onnx: string;
  readonly json: string;
}

const integer = (duckdb: string, arrow: string): TypeRow => ({
  duckdb,
  arrow,
  js: 'number',
  feed: 'f32, or i64 as category',
  onnx: 'INT64, DOUBLE if nullable',
  json: 'number',
});
const wideInteger = (duckdb: string, arrow: string): TypeRow => ({
  ...integer(duckdb, arrow),
  js: 'bigint',
  feed: 'i64, f32 where exact',
  json: 'number if safe, else string',
});
const float = (duckdb: string, arrow: string): TypeRow => ({
  duckdb,
  arrow,
  js: 'number',
  feed: 'f32',
  onnx: duckdb,
  json: 'number',
});

/** The one type table. */
export const typeTable: Readonly<Record<Kind, TypeRow>> = {
  bool: {
    duckdb: 'BOOLEAN',
    arrow: 'Bool',
    js: 'boolean',
    feed: 'f32',
    onnx: 'BOOL, DOUBLE if nullable',
    json: 'true/false',
  },
  int8: integer('TINYINT', 'Int8'),
  int16: integer('SMALLINT', 'Int16'),
  int32: integer('INTEGER', 'Int32'),
  int64: wideInteger('BIGINT', 'Int64'),
  uint8: integer('UTINYINT', 'Uint8'),
  uint16: integer('USMALLINT', 'Uint16'),
  uint32: integer('UINTEGER', 'Uint32'),
  uint64: wideInteger('UBIGINT', 'Uint64'),
  float32: float('FLOAT', 'Float32'),
  float64: float('DOUBLE', 'Float64'),
  decimal: {
    duckdb: 'DECIMAL',
    arrow: 'Decimal128',
    js: 'string',
    feed: 'by an explicit cast',
    onnx: 'by cast',
    json: 'string',
  },
  string: {
    duckdb: 'VARCHAR',
    arrow: 'Utf8',
    js: 'string',
    feed: 'category index, tokens',
    onnx: 'STRING',
    json: 'string',
  },
  bytes: {
    duckdb: 'BLOB',
    arrow: 'Binary',
    js: 'Uint8Array',
    feed: 'decoded image, audio',
    onnx: 'UINT8 tensor',
    json: 'base64',
  },
  date: {
    duckdb: 'DATE',
    arrow: 'Date32',
    js: 'ISO string',
    feed: 'by an explicit feature',
    onnx: 'by feature',
    json: 'ISO string',
  },
  timestamp: {
    duckdb: 'TIMESTAMP',
    arrow: 'Timestamp(µs, UTC)',
    js: 'bigint µs',
    feed: 'by an explicit feature',
    onnx: 'by feature',
    json: 'ISO string',
  },
  list: { duckdb: 'LIST', arrow: 'List', js: 'array', feed: 'f32 block', onnx: 'FLOAT [n, …]', json: 'nested array' },
  tensor: {
    duckdb: 'ARRAY',
    arrow: 'FixedSizeList',
    js: 'typed array',
    feed: 'f32 block',
    onnx: 'FLOAT [n, …]',
    json: 'nested array',
  },
  struct: { duckdb: 'STRUCT', arrow: 'Struct', js: 'object', feed: 'its fields', onnx: 'its fields', json: 'object' },
};

/** The DuckDB type of a written column: `DECIMAL(10,2)`, `STRUCT("a" INTEGER)[]`, `FLOAT[4][3]`. */
export function duckdbType(type: ColumnType): string {
  switch (type.kind) {
    case 'decimal':
      return `DECIMAL(${type.precision},${type.scale})`;
    case 'list':
      return `${duckdbType(type.item)}[]`;
    case 'tensor':
      return `FLOAT${[...type.shape]
        .reverse()
        .map((size) => `[${size}]`)
        .join('')}`;
    case 'struct':
      return `STRUCT(${type.fields.map((field) => `"${field.name.replaceAll('"', '""')}" ${duckdbType(field.type)}`).join(', ')})`;
    default:
      return typeTable[type.kind].duckdb;
  }
}

/** A DuckDB type as a column type, or what the table says instead. */
export type FromDuckdb =
  | { readonly type: ColumnType; readonly isExact: boolean }
  /** Refused: `cast` is the type to cast to. */
  | { readonly refused: string; readonly cast: string };

const scalars: Readonly<Record<string, ScalarKind>> = {
  BOOLEAN: 'bool',
  TINYINT: 'int8',
  SMALLINT: 'int16',
  INTEGER: 'int32',
  BIGINT: 'int64',
  UTINYINT: 'uint8',
  USMALLINT: 'uint16',
  UINTEGER: 'uint32',
  UBIGINT: 'uint64',
  FLOAT: 'float32',
  DOUBLE: 'float64',
  VARCHAR: 'string',
  BLOB: 'bytes',
  DATE: 'date',
  TIMESTAMP: 'timestamp',
};

/** Types that become a row of the table by a checked cast: `isExact` is false for them. */
const widened: Readonly<Record<string, ScalarKind>> = {
  HUGEINT: 'int64',
  UHUGEINT: 'uint64',
  UUID: 'string',
  JSON: 'string',
  'TIMESTAMP WITH TIME ZONE': 'timestamp',
  TIMESTAMP_S: 'timestamp',
  TIMESTAMP_MS: 'timestamp',
  TIMESTAMP_NS: 'timestamp',
  // The type of a bare NULL: nothing is known of it, and every cell is null.
  '"NULL"': 'int32',
  NULL: 'int32',
};

/**
 * Reads a type as DESCRIBE prints it. Every column may be null: DuckDB does not know better.
 * `isExact` says whether the DuckDB type is already the one that a written dataset has.
 */
export function typeFromDuckdb(text: string): FromDuckdb {
  const reader = new TypeReader(text);
  return reader.read();
}

class TypeReader {
  #position = 0;

  constructor(readonly text: string) {}

  read(): FromDuckdb {
    let found = this.#head();
    // Suffixes bind to what stands before them: FLOAT[4][3] is an array of three arrays of four.
    for (;;) {
      const suffix = /^\[(\d*)\]/.exec(this.text.slice(this.#position));
      if (suffix === null) return found;
      this.#position += suffix[0].length;
      if ('refused' in found) continue;
      found = suffix[1] === '' ? listOf(found) : arrayOf(found, Number(suffix[1]), this.text);
    }
  }

  #head(): FromDuckdb {
    const rest = this.text.slice(this.#position);
    const decimal = /^DECIMAL\((\d+),\s*(\d+)\)/.exec(rest);
    if (decimal) {
      this.#position += decimal[0].length;
      return {
        type: { kind: 'decimal', nullable: true, precision: Number(decimal[1]), scale: Number(decimal[2]) },
        isExact: true,
      };
    }
    if (rest.startsWith('STRUCT(')) return this.#struct();
    const parenthesized = /^(MAP|UNION|ENUM|VARIANT|GEOMETRY)\(/.exec(rest);
    if (parenthesized) {
      const name = parenthesized[1] ?? '';
      this.#position += name.length;
      this.#skipParentheses();
      if (name === 'ENUM') return { type: { kind: 'string', nullable: true }, isExact: false };
      return { refused: name, cast: name === 'MAP' ? 'map_entries(…), a list of structs' : 'a VARCHAR or a STRUCT' };
    }
    const word = /^("NULL"|[A-Z_0-9]+( WITH TIME ZONE)?)/.exec(rest)?.[0] ?? rest;
    this.#position += word.length;
    const exact = scalars[word];
    if (exact !== undefined) return { type: { kind: exact, nullable: true } as ColumnType, isExact: true };
    const wide = widened[word];
    if (wide !== undefined) return { type: { kind: wide, nullable: true } as ColumnType, isExact: false };
    return { refused: word, cast: castInstead[word] ?? 'VARCHAR' };
  }

  #struct(): FromDuckdb {
    this.#position += 'STRUCT('.length;
    const fields: Column[] = [];
    let isExact = true;
    let refused: FromDuckdb | null = null;
    while (this.#position < this.text.length && this.text[this.#position] !== ')') {
      if (/[, ]/.test(this.text[this.#position] ?? '')) {
        this.#position++;
        continue;
      }
      const name = this.#fieldName();
      const field = this.read();
      if ('refused' in field) refused = field;
      else {
        fields.push({ name, type: field.type });
        isExact &&= field.isExact;
      }
    }
    this.#position++;
    return refused ?? { type: { kind: 'struct', nullable: true, fields }, isExact };
  }

  #fieldName(): string {
    const rest = this.text.slice(this.#position);
    const quoted = /^"((?:[^"]|"")*)" /.exec(rest);
    const found = quoted ?? /^([^ ]+) /.exec(rest);
    this.#position += found?.[0].length ?? rest.length;
    const name = found?.[1] ?? rest;
    return quoted ? name.replaceAll('""', '"') : name;
  }

  #skipParentheses(): void {
    let depth = 0;
    let quote: string | null = null;
    for (; this.#position < this.text.length; this.#position++) {
      const character = this.text[this.#position];
      if (quote !== null) {
        if (character === quote) quote = null;
      } else if (character === "'" || character === '"') quote = character;
      else if (character === '(') depth++;
      else if (character === ')' && --depth === 0) {
        this.#position++;
        return;
      }
    }
  }
}

const castInstead: Readonly<Record<string, string>> = {
  TIME: 'VARCHAR, or epoch_us(…) for a BIGINT of µs',
  TIME_NS: 'VARCHAR, or epoch_us(…) for a BIGINT of µs',
  'TIME WITH TIME ZONE': 'VARCHAR',
  INTERVAL: 'a BIGINT by epoch_us(…), or VARCHAR',
  BIT: 'VARCHAR or BLOB',
  BIGNUM: 'DECIMAL, DOUBLE or VARCHAR',
};

function listOf(item: { type: ColumnType; isExact: boolean }): FromDuckdb {
  return { type: { kind: 'list', nullable: true, item: item.type }, isExact: item.isExact };
}

function arrayOf(item: { type: ColumnType; isExact: boolean }, size: number, text: string): FromDuckdb {
  if (item.type.kind === 'float32') return { type: { kind: 'tensor', nullable: true, shape: [size] }, isExact: true };
  if (item.type.kind === 'tensor')
    return { type: { kind: 'tensor', nullable: true, shape: [size, ...item.type.shape] }, isExact: true };
  return { refused: text, cast: `FLOAT[${size}], a tensor, or a list` };
}

/** What a type is called in messages: `int64`, `decimal(10, 2)`, `list of string`, `tensor[3, 4]`. */
export function typeText(type: ColumnType): string {
  switch (type.kind) {
    case 'decimal':
      return `decimal(${type.precision}, ${type.scale})`;
    case 'list':
      return `list of ${typeText(type.item)}`;
    case 'tensor':
      return `tensor[${type.shape.join(', ')}]`;
    case 'struct':
      return `struct { ${type.fields.map((field) => `${field.name}: ${typeText(field.type)}`).join(', ')} }`;
    default:
      return type.kind;
  }
}

/** Whether two types are the same, nullability aside. */
export function isSameType(a: ColumnType, b: ColumnType): boolean {
  return duckdbType(a) === duckdbType(b);
}
