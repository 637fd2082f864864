import { createHash, type Hash } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { DatasetColumn } from '../../pipelines/contracts/artifacts.js';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import { quoteIdentifier, quoteLiteral, type SqlRow, type SqlSession } from '../../pipelines/contracts/sql.js';
import type { Column } from '../../pipelines/types/column-type.js';
import { compareStatistic } from './column-statistics.js';

/** What a written Parquet file says about itself, and the digests of its bytes. */
export interface WrittenFile {
  readonly bytes: number;
  readonly sha256: string;
  readonly columns: readonly DatasetColumn[];
}

/** 1 MiB reads hash three times as fast as 64 KiB reads. */
const readBytes = 1 << 20;

interface Chunk {
  readonly column: number;
  readonly start: number;
  readonly end: number;
}

/**
 * Reads a Parquet file's footer, then the file once, front to back: the digest of the whole and of every column's
 * chunks come from the same pass.
 */
export async function describeFile(
  session: SqlSession,
  file: string,
  columns: readonly Column[],
  rows: number,
  signal: AbortSignal,
): Promise<WrittenFile> {
  const { rows: footer } = await session.query(
    `SELECT row_group_id, path_in_schema, stats_null_count, stats_min_value, stats_max_value, num_values,
       dictionary_page_offset, data_page_offset, total_compressed_size
     FROM parquet_metadata(${quoteLiteral(file)}) ORDER BY row_group_id, column_id`,
  );
  const owners = ownersOf(footer, columns);
  const chunks = footer.map((row, index) => chunkOf(row, owners[index] ?? 0));
  const hashes = columns.map(() => createHash('sha256'));
  const whole = await hashChunks(file, chunks, hashes, signal);
  const nested = await nestedNulls(session, file, columns, rows);
  return {
    ...whole,
    columns: columns.map((column, index) => {
      const own = footer.filter((_, position) => owners[position] === index);
      const digest = hashes[index]?.digest('hex') ?? '';
      const nulls = nested.get(column.name);
      if (nulls !== undefined) return { ...column, digest, nulls, minimum: null, maximum: null };
      return {
        ...column,
        digest,
        nulls: own.reduce((sum, row) => sum + Number(row['stats_null_count'] ?? 0), 0),
        minimum: compareStatistic(column.type, own, 'stats_min_value', -1),
        maximum: compareStatistic(column.type, own, 'stats_max_value', 1),
      };
    }),
  };
}

/** Index of the top-level column that each chunk of the footer belongs to: leaves stand in the columns' order. */
function ownersOf(footer: readonly SqlRow[], columns: readonly Column[]): readonly number[] {
  let column = -1;
  let group: unknown = null;
  return footer.map((row) => {
    if (row['row_group_id'] !== group) {
      group = row['row_group_id'];
      column = -1;
    }
    const path = String(row['path_in_schema']);
    const isOwn = (name: string): boolean =>
      path === name || path.startsWith(`${name}, `) || path.startsWith(`${name}.`);
    const current = columns[column];
    const isNested = current !== undefined && ['list', 'tensor', 'struct'].includes(current.type.kind);
    if (!(isNested && isOwn(current.name))) column++;
    return column;
  });
}

function chunkOf(row: SqlRow, column: number): Chunk {
  const offsets = [row['dictionary_page_offset'], row['data_page_offset']]
    .filter((offset) => offset !== null && offset !== undefined)
    .map(Number);
  const start = Math.min(...offsets.filter((offset) => offset > 0));
  return { column, start, end: start + Number(row['total_compressed_size']) };
}

async function hashChunks(
  file: string,
  chunks: readonly Chunk[],
  hashes: readonly Hash[],
  signal: AbortSignal,
): Promise<{ bytes: number; sha256: string }> {
  const sorted = [...chunks].sort((a, b) => a.start - b.start);
  const whole = createHash('sha256');
  const handle = await open(file, 'r');
  let bytes = 0;
  let next = 0;
  try {
    // Two buffers: one is hashed while the other fills.
    const buffers = [Buffer.allocUnsafe(readBytes), Buffer.allocUnsafe(readBytes)];
    let pending = handle.read(buffers[0]!, 0, readBytes, 0);
    for (let turn = 0; ; turn++) {
      const { bytesRead, buffer } = await pending;
      if (bytesRead === 0) break;
      if (signal.aborted)
        throw new MillraceError('CANCELLED', {
          path: 'sql',
          expected: 'to run to its end',
          received: 'a cancellation',
        });
      pending = handle.read(buffers[(turn + 1) % 2]!, 0, readBytes, bytes + bytesRead);
      whole.update(buffer.subarray(0, bytesRead));
      for (;;) {
        const chunk = sorted[next];
        if (chunk === undefined || chunk.start >= bytes + bytesRead) break;
        const from = Math.max(chunk.start, bytes) - bytes;
        const to = Math.min(chunk.end, bytes + bytesRead) - bytes;
        hashes[chunk.column]?.update(buffer.subarray(from, to));
        if (chunk.end > bytes + bytesRead) break;
        next++;
      }
      bytes += bytesRead;
    }
    return { bytes, sha256: whole.digest('hex') };
  } finally {
    await handle.close();
  }
}

/** Nulls of nested columns: the footer counts those of their leaves. */
async function nestedNulls(
  session: SqlSession,
  file: string,
  columns: readonly Column[],
  rows: number,
): Promise<ReadonlyMap<string, number>> {
  const nested = columns.filter((column) => ['list', 'tensor', 'struct'].includes(column.type.kind));
  if (nested.length === 0) return new Map();
  if (rows === 0) return new Map(nested.map((column) => [column.name, 0]));
  const counts = nested.map((column, index) => `count(*) - count(${quoteIdentifier(column.name)}) AS n${index}`);
  const { rows: found } = await session.query(
    `SELECT ${counts.join(', ')} FROM read_parquet(${quoteLiteral(file)}, hive_partitioning = false)`,
  );
  return new Map(nested.map((column, index) => [column.name, Number(found[0]?.[`n${index}`] ?? 0)]));
}
