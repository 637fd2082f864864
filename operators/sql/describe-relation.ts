import { isMillraceError } from '../../pipelines/contracts/errors.js';
import { quoteIdentifier, type SqlEngine, type SqlSession } from '../../pipelines/contracts/sql.js';
import type { Relation } from '../../pipelines/plan/relation.js';
import type { Column } from '../../pipelines/types/column-type.js';
import { duckdbType } from '../../pipelines/types/type-table.js';
import { type ColumnCast, castError } from './checked-cast.js';
import {
  atPath,
  type CompiledRelation,
  castColumns,
  compileRelation,
  type InputTable,
  sourceKey,
  withClause,
} from './compile-relation.js';

/**
 * Columns that a relation gives, without running it. Sources are read as far as their columns need it: CSV without
 * declared columns is sniffed whole.
 *
 * @param inputs - columns of the stage's inputs, by name.
 * @param declared - columns of the stage itself; they must be there, and castable.
 * @throws SQL_INVALID, SQL_UNKNOWN_COLUMN, SQL_REFUSED, SOURCE_NOT_FOUND, SOURCE_EMPTY, SOURCE_MALFORMED,
 * DATA_COLUMN_MISSING, DATA_TYPE
 */
export async function describeRelation(
  engine: SqlEngine,
  relation: Relation,
  inputs: Readonly<Record<string, readonly Column[]>>,
  root: string,
  path = 'sql',
  declared: readonly Column[] | null = null,
): Promise<readonly Column[]> {
  const files = await sourceFiles(engine, relation, root, path);
  await using session = await engine.open({ readable: [...files.values()].flat(), writable: [], threads: 1 });
  const tables: Record<string, InputTable> = {};
  for (const [index, [name, columns]] of Object.entries(inputs).entries()) {
    const table = quoteIdentifier(`input ${index}`);
    await session.execute(
      `CREATE TABLE ${table} (${columns.map((column) => `${quoteIdentifier(column.name)} ${duckdbType(column.type)}`).join(', ')})`,
    );
    tables[name] = { sql: `SELECT * FROM ${table}`, columns };
  }
  const compiled = await compileRelation({ engine, session, inputs: tables, files, path }, relation);
  const targets = declared ?? declaredColumns(relation);
  if (targets === null) return compiled.columns;
  await checkCasts(session, compiled, castColumns(compiled.columns, targets, false, path), path);
  return targets;
}

/** Expands every source of a relation. */
export async function sourceFiles(
  engine: SqlEngine,
  relation: Relation,
  root: string,
  path: string,
): Promise<Map<string, readonly string[]>> {
  const files = new Map<string, readonly string[]>();
  for (const source of sourcesOf(relation)) {
    const key = sourceKey(source);
    if (!files.has(key)) files.set(key, await engine.files(source.source, root, path));
  }
  return files;
}

/** The sources in a relation, in the order in which they stand. */
export function sourcesOf(relation: Relation): readonly Extract<Relation, { kind: 'source' }>[] {
  if (relation.kind === 'input') return [];
  return relation.kind === 'source' ? [relation] : relation.relations.flatMap(sourcesOf);
}

/** Columns that the outermost relation declares itself. */
export function declaredColumns(relation: Relation): readonly Column[] | null {
  if (relation.kind === 'sql') return relation.columns;
  return relation.kind === 'source' ? relation.source.columns : null;
}

/** Binds every cast. @throws DATA_TYPE - a cast that DuckDB does not have, naming the column. */
export async function checkCasts(
  session: SqlSession,
  compiled: CompiledRelation,
  casts: readonly ColumnCast[],
  path: string,
): Promise<void> {
  const select = (some: readonly ColumnCast[]): string =>
    `${withClause(compiled.steps)}SELECT ${some.map((cast) => `${cast.expression} AS ${quoteIdentifier(cast.target.name)}`).join(', ')} FROM ${compiled.table}`;
  try {
    await session.describe(select(casts), compiled.values);
  } catch (whole) {
    for (const cast of casts) {
      try {
        await session.describe(select([cast]), compiled.values);
      } catch (error) {
        if (!isMillraceError(error)) throw error;
        throw castError(cast.source, cast.target, path, error);
      }
    }
    throw isMillraceError(whole) ? atPath(whole, path) : whole;
  }
}
