import { quoteIdentifier, quoteLiteral, type SqlSession, type SqlSource } from '../../pipelines/contracts/sql.js';
import type { SourceSpec } from '../../pipelines/plan/relation.js';
import type { Column } from '../../pipelines/types/column-type.js';
import { duckdbType } from '../../pipelines/types/type-table.js';
import { openCsv } from './csv-source.js';
import { checkColumns, fileList } from './source-columns.js';

/** Files as a SELECT of a session. @throws SOURCE_EMPTY, SOURCE_MALFORMED, DATA_COLUMN_MISSING, DATA_TYPE */
export async function openSource(
  session: SqlSession,
  spec: SourceSpec,
  files: readonly string[],
  path: string,
  signal?: AbortSignal,
): Promise<SqlSource> {
  switch (spec.format) {
    case 'csv':
      return openCsv(session, spec, files, path, signal);
    case 'parquet':
      return selfDescribed(session, parquetCall(files), spec.columns, files, path);
    case 'json':
      return selfDescribed(session, jsonCall(files, spec.columns), spec.columns, files, path);
    case 'arrow': {
      // Loaded at the first need: most projects have no Arrow file.
      const { openArrow } = await import('./arrow-source.js');
      return selfDescribed(session, await openArrow(session, files), spec.columns, files, path);
    }
  }
}

/** Formats that know their columns: the declared ones are taken from them by name. */
async function selfDescribed(
  session: SqlSession,
  from: string,
  declared: readonly Column[] | null,
  files: readonly string[],
  path: string,
): Promise<SqlSource> {
  const found = await session.describe(`SELECT * FROM ${from}`);
  checkColumns(
    declared,
    found.map((column) => column.name),
    files[0] ?? path,
  );
  const columns = declared ?? found;
  return {
    sql: `SELECT ${columns.map((column) => quoteIdentifier(column.name)).join(', ')} FROM ${from}`,
    columns,
    needsCast: declared !== null,
  };
}

function parquetCall(files: readonly string[]): string {
  return `read_parquet(${fileList(files)}, hive_partitioning = false${files.length > 1 ? ', union_by_name = true' : ''})`;
}

function jsonCall(files: readonly string[], columns: readonly Column[] | null): string {
  const shape =
    columns === null
      ? 'sample_size = -1, map_inference_threshold = -1'
      : `columns = {${columns.map((column) => `${quoteLiteral(column.name)}: ${quoteLiteral(duckdbType(column.type))}`).join(', ')}}`;
  return `read_json(${fileList(files)}, format = 'newline_delimited', hive_partitioning = false, union_by_name = true, ${shape})`;
}
