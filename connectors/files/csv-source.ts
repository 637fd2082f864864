import { randomUUID } from 'node:crypto';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import { quoteIdentifier, quoteLiteral, type SqlSession, type SqlSource } from '../../pipelines/contracts/sql.js';
import type { SourceSpec } from '../../pipelines/plan/relation.js';
import type { Column } from '../../pipelines/types/column-type.js';
import { duckdbType } from '../../pipelines/types/type-table.js';
import { readFirstRecord } from './first-record.js';
import { hasMixedLineEnds } from './line-ends.js';
import { type LineShift, recordLines } from './record-lines.js';
import { sniffColumns } from './sniff-columns.js';
import { checkColumns, fileList } from './source-columns.js';

type CsvSpec = Extract<SourceSpec, { format: 'csv' }>;

/** Files that have the same columns in the same order. */
interface Shape {
  readonly names: readonly string[];
  /** Mixed line ends: read laxly, after its records were looked at. */
  readonly isLax: boolean;
  readonly files: string[];
}

/**
 * CSV files as a SELECT. Nothing about the files is guessed but, without declared columns, their types: delimiter,
 * quotes and header are what the options say, so that a torn quote is an error and not another dialect.
 */
export async function openCsv(
  session: SqlSession,
  spec: CsvSpec,
  files: readonly string[],
  path: string,
  signal?: AbortSignal,
): Promise<SqlSource> {
  const shapes = await shapesOf(spec, files, path, signal);
  const [first] = shapes;
  if (first === undefined)
    throw new MillraceError('SOURCE_EMPTY', { path, expected: 'at least one file', received: 'none' });
  const data = spec.columns?.filter((column) => column.name !== spec.lineNumber) ?? null;
  for (const shape of shapes) checkColumns(data, shape.names, shape.files[0] ?? path);
  const found =
    data ??
    (await sniffColumns(
      session,
      shapes.map((shape) => textSelect(spec, shape)).join(' UNION ALL BY NAME '),
      first.names,
    ));
  const lineNumber: Column[] =
    spec.lineNumber === null ? [] : [{ name: spec.lineNumber, type: { kind: 'int64', nullable: false } }];
  const columns = spec.columns ?? [...found, ...lineNumber];
  const parts: string[] = [];
  for (const shape of shapes) parts.push(...(await selects(session, spec, shape, found, columns, signal)));
  return {
    sql: parts.join(' UNION ALL '),
    columns,
    // Trimmed fields of declared types are cast after the file is read; the others while it is.
    needsCast: spec.columns !== null && (spec.trim || columns.some((column) => !column.type.nullable)),
  };
}

async function shapesOf(
  spec: CsvSpec,
  files: readonly string[],
  path: string,
  signal: AbortSignal | undefined,
): Promise<Shape[]> {
  const shapes = new Map<string, Shape>();
  for (const file of files) {
    const record = await readFirstRecord(file, spec.delimiter);
    if (record === null) {
      throw new MillraceError('SOURCE_EMPTY', {
        path: file,
        expected: spec.header ? 'a CSV file with a header' : 'a CSV file with rows',
        received: 'an empty file',
        hint: `Check what writes it, or narrow the pattern of ${path}.`,
      });
    }
    if (spec.header && record.length === 1 && record[0] === '') {
      throw new MillraceError('SOURCE_MALFORMED', {
        path: `${file}:1`,
        expected: 'a header on the first line',
        received: 'a blank line',
        hint: 'Remove the blank lines before it.',
      });
    }
    const names = spec.header
      ? record.map((name) => (spec.trim ? name.trim() : name))
      : (spec.names ?? record.map((_, index) => `column${index}`));
    checkNames(names, file);
    if (!spec.header && names.length !== record.length) {
      throw new MillraceError('SOURCE_MALFORMED', {
        path: `${file}:1`,
        expected: `${names.length} fields, one for each of \`names\``,
        received: String(record.length),
        hint: 'Name every field in the order of the file.',
      });
    }
    const isLax = await hasMixedLineEnds(file, spec.delimiter, names.length, signal);
    const key = JSON.stringify([isLax, names]);
    const shape = shapes.get(key);
    if (shape === undefined) shapes.set(key, { names, isLax, files: [file] });
    else shape.files.push(file);
  }
  return [...shapes.values()];
}

function checkNames(names: readonly string[], file: string): void {
  const seen = new Set<string>();
  for (const [index, name] of names.entries()) {
    const lower = name.toLowerCase();
    if (name === '' || seen.has(lower)) {
      throw new MillraceError('SOURCE_MALFORMED', {
        path: `${file}:1`,
        expected: 'a header of different names',
        received: name === '' ? `no name for field ${index + 1}` : `'${name}' twice`,
        hint: 'Mend the header, or set header: false and give `names`.',
      });
    }
    seen.add(lower);
  }
}

/** All fields as text, trimmed where asked, empty ones and the words of `nulls` as NULL. */
function textSelect(spec: CsvSpec, shape: Shape): string {
  const fields = shape.names.map((name) => `${fieldText(spec, name)} AS ${quoteIdentifier(name)}`);
  return `SELECT ${fields.join(', ')} FROM ${readCall(spec, shape, shape.files, () => 'VARCHAR')}`;
}

/** Types that were sniffed from the trimmed text hold for it; declared ones are for a checked cast. */
function fieldValue(spec: CsvSpec, column: Column): string {
  const text = fieldText(spec, column.name);
  return spec.trim && spec.columns === null ? `CAST(${text} AS ${duckdbType(column.type)})` : text;
}

function fieldText(spec: CsvSpec, name: string): string {
  const field = quoteIdentifier(name);
  if (!spec.trim) return field;
  const trimmed = `trim(${field}, E' \\t\\r\\n')`;
  const nulls = ['', ...spec.nulls].map(quoteLiteral).join(', ');
  return `CASE WHEN ${trimmed} IN (${nulls}) THEN NULL ELSE ${trimmed} END`;
}

/** One SELECT for files of one shape; one a file where lines are counted. */
async function selects(
  session: SqlSession,
  spec: CsvSpec,
  shape: Shape,
  found: readonly Column[],
  columns: readonly Column[],
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const types = new Map(found.map((column) => [column.name, column]));
  const typeOf = (name: string): string => {
    const column = types.get(name);
    return column === undefined || spec.trim ? 'VARCHAR' : duckdbType(column.type);
  };
  const fieldsWith = (line: string): string =>
    columns
      .map(
        (column) =>
          `${column.name === spec.lineNumber ? line : fieldValue(spec, column)} AS ${quoteIdentifier(column.name)}`,
      )
      .join(', ');
  const call = (files: readonly string[]): string => readCall(spec, shape, files, typeOf);
  if (spec.lineNumber === null) return [`SELECT ${fieldsWith('')} FROM ${call(shape.files)}`];
  const parts: string[] = [];
  for (const file of shape.files) {
    const layout = { header: spec.header, delimiter: spec.delimiter, columns: shape.names.length };
    const shifts = await recordLines(file, layout, signal);
    const [first] = shifts;
    // The reader keeps the order of the file, and a window without an order streams through it.
    if (shifts.length === 1)
      parts.push(`SELECT ${fieldsWith(`row_number() OVER () + ${(first?.shift ?? 1) - 1}`)} FROM ${call([file])}`);
    else {
      const table = await shiftTable(session, shifts);
      parts.push(
        `SELECT ${fieldsWith('"millrace record" + "millrace shift"')} FROM (SELECT *, row_number() OVER () - 1 AS "millrace record" FROM ${call([file])}) ` +
          `ASOF JOIN ${table} ON "millrace record" >= "millrace from"`,
      );
    }
  }
  return parts;
}

async function shiftTable(session: SqlSession, shifts: readonly LineShift[]): Promise<string> {
  const table = `lines_${randomUUID().replaceAll('-', '')}`;
  const int64 = { kind: 'int64', nullable: false } as const;
  const columns = [
    { name: 'millrace from', type: int64 },
    { name: 'millrace shift', type: int64 },
  ];
  const batch = {
    rows: shifts.length,
    columns: [shifts.map((each) => BigInt(each.record)), shifts.map((each) => BigInt(each.shift))],
  };
  await session.append(table, columns, [batch]);
  return quoteIdentifier(table);
}

function readCall(
  spec: CsvSpec,
  { names, isLax }: Shape,
  files: readonly string[],
  typeOf: (name: string) => string,
): string {
  const columns = names.map((name) => `${quoteLiteral(name)}: ${quoteLiteral(typeOf(name))}`);
  const nulls = spec.trim ? [''] : ['', ...spec.nulls];
  return `read_csv(${[
    fileList(files),
    'auto_detect = false',
    // A folder `day=1` is a name, and names are not read.
    'hive_partitioning = false',
    `header = ${spec.header}`,
    `delim = ${quoteLiteral(spec.delimiter)}`,
    `quote = '"'`,
    `escape = '"'`,
    `nullstr = [${nulls.map(quoteLiteral).join(', ')}]`,
    `columns = {${columns.join(', ')}}`,
    ...(isLax ? ['strict_mode = false'] : []),
  ].join(', ')})`;
}
