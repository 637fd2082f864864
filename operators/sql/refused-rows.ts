import { isMillraceError, MillraceError } from '../../pipelines/contracts/errors.js';
import { quoteIdentifier, type SqlSession } from '../../pipelines/contracts/sql.js';
import type { Column } from '../../pipelines/types/column-type.js';
import { typeText } from '../../pipelines/types/type-table.js';
import { type ColumnCast, isRangeCast } from './checked-cast.js';
import { type CompiledRelation, withClause } from './compile-relation.js';

/** A statement, and the casts that are made of its last step. */
export interface CastStatement {
  readonly compiled: CompiledRelation;
  readonly casts: readonly ColumnCast[];
}

/** Counts what the checked casts refuse: first those inside, then those of the stage. null: it was none of them. */
export async function findRefused(
  stage: string,
  session: SqlSession,
  prepared: CastStatement,
): Promise<MillraceError | null> {
  const { compiled } = prepared;
  for (const [index, step] of compiled.steps.entries()) {
    if (step.casts.length === 0) continue;
    const before = compiled.steps[index - 1];
    if (before === undefined) continue;
    const error = await countRefused(
      stage,
      session,
      withClause(compiled.steps.slice(0, index)),
      quoteIdentifier(before.name),
      step.casts,
      prepared,
      true,
    );
    if (error !== null) return error;
  }
  return countRefused(stage, session, withClause(compiled.steps), compiled.table, prepared.casts, prepared, false);
}

async function countRefused(
  stage: string,
  session: SqlSession,
  steps: string,
  table: string,
  casts: readonly ColumnCast[],
  prepared: CastStatement,
  countsNulls: boolean,
): Promise<MillraceError | null> {
  const counts = casts.flatMap((cast, index) => [
    `count(*) FILTER (WHERE ${cast.refuses}) AS c${index}`,
    `count(*) FILTER (WHERE ${quoteIdentifier(cast.target.name)} IS NULL) AS n${index}`,
  ]);
  const { rows } = await session
    .query(`${steps}SELECT count(*) AS total, ${counts.join(', ')} FROM ${table}`, prepared.compiled.values)
    .catch((error: unknown) => {
      // The user's own expressions fail before the cast is reached.
      if (isMillraceError(error) && error.code.startsWith('DATA_')) return { rows: [] };
      throw error;
    });
  const row = rows[0];
  if (row === undefined) return null;
  for (const [index, cast] of casts.entries()) {
    const count = Number(row[`c${index}`]);
    if (count > 0) return refusedError(stage, cast, count, Number(row['total']));
    const nulls = Number(row[`n${index}`]);
    if (countsNulls && !cast.target.type.nullable && nulls > 0)
      return nullError(stage, cast.target, nulls, Number(row['total']));
  }
  return null;
}

function refusedError(stage: string, cast: ColumnCast, count: number, total: number): MillraceError {
  const isRange = isRangeCast(cast);
  return new MillraceError(isRange ? 'DATA_OUT_OF_RANGE' : 'DATA_TYPE', {
    path: `${stage}.columns.${cast.target.name}`,
    expected: `${typeText(cast.target.type)} in every row`,
    received: `${count} of ${total} rows whose ${typeText(cast.source)} is not one`,
    hint: isRange ? 'Declare a wider type, or round in SQL.' : 'Clean the column in SQL, or declare it as it is.',
    details: { column: cast.target.name, count },
  });
}

function nullError(stage: string, column: Column, count: number, total: number): MillraceError {
  return new MillraceError('DATA_NULL', {
    path: `${stage}.columns.${column.name}`,
    expected: 'no null',
    received: `${count} of ${total} rows with one`,
    hint: `Declare ${column.name} as nullable, or filter or fill the rows in SQL.`,
    details: { column: column.name, count },
  });
}

/** Nulls that the writer counted in columns that must have none. @throws DATA_NULL */
export function checkNulls(
  stage: string,
  columns: readonly (Column & { readonly nulls: number })[],
  rows: number,
): void {
  const broken = columns.find((column) => !column.type.nullable && column.nulls > 0);
  if (broken !== undefined) throw nullError(stage, broken, broken.nulls, rows);
}
