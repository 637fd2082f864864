import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type DataType, type Field, RecordBatchReader } from 'apache-arrow';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import { quoteIdentifier, type SqlBatch, type SqlSession } from '../../pipelines/contracts/sql.js';
import type { Column } from '../../pipelines/types/column-type.js';
import { arrowColumnType, readArrowCells } from './arrow-cells.js';

/**
 * Copies Arrow IPC files (file or stream format) into a table of the session, which DuckDB may spill, and returns its
 * quoted name. DuckDB has no Arrow path in Node (facts on dependencies).
 */
export async function openArrow(session: SqlSession, files: readonly string[]): Promise<string> {
  const table = `arrow_${randomUUID().replaceAll('-', '')}`;
  const first = files[0] ?? '';
  const columns = (await openReader(first)).columns;
  await session.append(table, columns, batchesOf(files, columns));
  return quoteIdentifier(table);
}

async function* batchesOf(files: readonly string[], columns: readonly Column[]): AsyncGenerator<SqlBatch> {
  for (const file of files) {
    const opened = await openReader(file);
    try {
      for (const batch of opened.reader) {
        yield {
          rows: batch.numRows,
          columns: columns.map((column) => {
            const index = opened.columns.findIndex((each) => each.name === column.name);
            const vector = index < 0 ? null : batch.getChildAt(index);
            if (vector === null) {
              throw new MillraceError('DATA_COLUMN_MISSING', {
                path: file,
                expected: `a column '${column.name}', as in the first file`,
                received: 'none',
              });
            }
            return readArrowCells(vector, opened.types[index] as DataType);
          }),
        };
      }
    } catch (error) {
      throw unreadable(file, error);
    }
  }
}

interface Opened {
  readonly reader: RecordBatchReader;
  readonly columns: readonly Column[];
  readonly types: readonly DataType[];
}

async function openReader(file: string): Promise<Opened> {
  try {
    const reader = RecordBatchReader.from(await readFile(file)) as RecordBatchReader;
    reader.open();
    const fields: readonly Field[] = reader.schema.fields;
    return {
      reader,
      columns: fields.map((field) => ({ name: field.name, type: arrowColumnType(field, file) })),
      types: fields.map((field) => field.type),
    };
  } catch (error) {
    throw unreadable(file, error);
  }
}

function unreadable(file: string, error: unknown): unknown {
  if (error instanceof MillraceError) return error;
  return new MillraceError('SOURCE_MALFORMED', {
    path: file,
    expected: 'a whole Arrow IPC file',
    received: 'one that cannot be read',
    hint: 'Write it uncompressed, as a file or a stream.',
    cause: error,
  });
}
