import Table from 'cli-table3';
import type { SqlBatch, SqlCell } from '../pipelines/contracts/sql.js';
import type { Column, ColumnType } from '../pipelines/types/column-type.js';

/** Turns batches of rows into text, in pieces. */
export interface RowWriter {
  begin(): string;
  rows(batch: SqlBatch): string;
  end(): string;
}

/** RFC 4180 with a header: NULL is an empty field, an empty text is `""`. */
export function csvWriter(columns: readonly Column[]): RowWriter {
  const line = (fields: readonly string[]): string => `${fields.join(',')}\n`;
  return {
    begin: () => line(columns.map((column) => csvText(column.name))),
    rows: (batch) =>
      Array.from({ length: batch.rows }, (_, row) =>
        line(
          columns.map((column, index) => {
            const cell = batch.columns[index]?.[row] ?? null;
            return cell === null ? '' : csvText(textOf(cell, column.type));
          }),
        ),
      ).join(''),
    end: () => '',
  };
}

function csvText(text: string): string {
  return text === '' || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** One JSON object: `{ "columns": [{ name, type }], "rows": [[…]] }`, cells as the type table says. */
export function jsonWriter(columns: readonly Column[]): RowWriter {
  let count = 0;
  return {
    begin: () =>
      `{"columns":${JSON.stringify(columns.map((column) => ({ name: column.name, type: column.type })))},"rows":[`,
    rows: (batch) =>
      Array.from({ length: batch.rows }, (_, row) => {
        const cells = columns.map((column, index) => jsonOf(batch.columns[index]?.[row] ?? null, column.type));
        return `${count++ === 0 ? '' : ','}\n${JSON.stringify(cells)}`;
      }).join(''),
    end: () => `${count === 0 ? '' : '\n'}]}\n`,
  };
}

/** A table for people: control characters are shown as their codes, so that data cannot drive the terminal. */
export function tableWriter(columns: readonly Column[], maxRows: number): RowWriter {
  const table = new Table({
    head: columns.map((column) => visible(column.name)),
    style: { head: [], border: [], compact: true },
    colAligns: columns.map((column) => (isNumber(column.type) ? 'right' : 'left')),
  });
  let shown = 0;
  let total = 0;
  return {
    begin: () => '',
    rows(batch) {
      for (let row = 0; row < batch.rows; row++) {
        total++;
        if (shown >= maxRows) continue;
        shown++;
        table.push(
          columns.map((column, index) => {
            const cell = batch.columns[index]?.[row] ?? null;
            return cell === null ? 'NULL' : visible(textOf(cell, column.type));
          }),
        );
      }
      return '';
    },
    end: () =>
      `${table.toString()}\n${total} row${total === 1 ? '' : 's'}${total > shown ? `, the first ${shown} shown` : ''}\n`,
  };
}

function visible(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, (character) =>
    character === '\n' ? '↵' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

const numbers = new Set([
  'int8',
  'int16',
  'int32',
  'int64',
  'uint8',
  'uint16',
  'uint32',
  'uint64',
  'float32',
  'float64',
  'decimal',
]);

function isNumber(type: ColumnType): boolean {
  return numbers.has(type.kind);
}

function textOf(cell: Exclude<SqlCell, null>, type: ColumnType): string {
  const json = jsonOf(cell, type);
  return typeof json === 'string' ? json : typeof json === 'object' ? JSON.stringify(json) : String(json);
}

type JsonCell = null | boolean | number | string | readonly JsonCell[] | { readonly [field: string]: JsonCell };

/** A cell as JSON: integers beyond 2^53 as text, bytes as base64, times as ISO text, NaN and infinities by name. */
export function jsonOf(cell: SqlCell, type: ColumnType): JsonCell {
  if (cell === null || typeof cell === 'boolean' || typeof cell === 'string') return cell;
  if (typeof cell === 'number') return Number.isFinite(cell) ? cell : String(cell);
  if (typeof cell === 'bigint') {
    if (type.kind === 'timestamp') return isoFromMicros(cell);
    const number = Number(cell);
    return Number.isSafeInteger(number) ? number : String(cell);
  }
  if (cell instanceof Uint8Array) return Buffer.from(cell).toString('base64');
  if (Array.isArray(cell)) {
    const item: ColumnType = type.kind === 'list' ? type.item : { kind: 'float32', nullable: true };
    return (cell as readonly SqlCell[]).map((each) => jsonOf(each, item));
  }
  const fields = type.kind === 'struct' ? type.fields : [];
  const struct = cell as { readonly [field: string]: SqlCell };
  return Object.fromEntries(fields.map((field) => [field.name, jsonOf(struct[field.name] ?? null, field.type)]));
}

/** `2026-01-02T03:04:05.000006Z`; outside the years that JavaScript knows, µs as text. */
export function isoFromMicros(micros: bigint): string {
  const milliseconds = micros >= 0n ? micros / 1000n : (micros - 999n) / 1000n;
  const rest = micros - milliseconds * 1000n;
  const date = new Date(Number(milliseconds));
  if (Number.isNaN(date.getTime())) return String(micros);
  return date.toISOString().replace('Z', rest === 0n ? 'Z' : `${String(rest).padStart(3, '0')}Z`);
}
