import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatasetMeta } from '../../pipelines/contracts/artifacts.js';
import { isMillraceError, MillraceError, nearestName } from '../../pipelines/contracts/errors.js';
import type { Json } from '../../pipelines/contracts/json.js';
import {
  defineOperator,
  type OperatorContext,
  type OperatorResult,
  type OperatorStage,
} from '../../pipelines/contracts/operator.js';
import { quoteIdentifier, quoteLiteral, type SqlSession } from '../../pipelines/contracts/sql.js';
import type { Column } from '../../pipelines/types/column-type.js';
import { typeText } from '../../pipelines/types/type-table.js';
import { type ColumnCast, isRangeCast } from './checked-cast.js';
import { describeFile } from './column-digests.js';
import {
  atPath,
  type CompiledRelation,
  castColumns,
  compileRelation,
  sourceKey,
  withClause,
} from './compile-relation.js';
import { datasetTable } from './dataset-table.js';
import { checkCasts, declaredColumns, sourcesOf } from './describe-relation.js';
import { remainingSensitivity } from './order-sensitivity.js';
import { sqlKeyParts } from './sql-key.js';
import { type SqlOptions, sqlOptions } from './sql-options.js';

const partition = 'part-00000.parquet';

/** Writes a relation as a dataset: one SELECT, checked casts, a total order, one Parquet file with digests by column. */
export const sqlOperator = defineOperator<SqlOptions>({
  name: 'sql',
  class: 'pure',
  options: sqlOptions,
  outputs: { dataset: 'dataset' },
  weight: 'sql',
  engines: ['duckdb'],
  optionsInKey: false,
  keyParts: sqlKeyParts,
  run: runSql,
});

/** A relation, ready to be written. */
interface Prepared {
  readonly compiled: CompiledRelation;
  readonly casts: readonly ColumnCast[];
  readonly select: string;
  readonly oneThread: readonly string[];
}

async function runSql(context: OperatorContext, stage: OperatorStage<SqlOptions>): Promise<OperatorResult> {
  const writer = await context.artifacts.create('dataset');
  try {
    const target = join(writer.directory, partition);
    const readable = await readableOf(context, stage);
    const open = (threads: number): Promise<SqlSession> =>
      context.sql.open({
        readable: readable.paths,
        writable: [writer.directory],
        threads,
        memoryLimitMb: context.placement.memoryLimitMb,
        signal: context.signal,
      });
    let session = await open(context.placement.threads);
    try {
      let prepared = await prepare(context, stage, session, readable.files);
      if (prepared.oneThread.length > 0 && context.placement.threads > 1) {
        await session[Symbol.asyncDispose]();
        session = await open(1);
        prepared = await prepare(context, stage, session, readable.files);
      }
      session.onProgress((fraction) => context.progress({ fraction, message: 'writing rows' }));
      await writeFile(join(context.records, 'statement.sql'), `${prepared.select}\n`);
      const rows = await write(context, session, prepared, target);
      await checkUnchanged(readable);
      if (stage.options.key.length > 0 && rows > 1) await proveKey(context, session, stage.options.key, target, rows);
      const columns = prepared.casts.map((cast) => cast.target);
      const file = await describeFile(session, target, columns, rows, context.signal);
      checkNulls(context.stage, file.columns, rows);
      const meta: DatasetMeta = {
        rows,
        columns: file.columns,
        key: stage.options.key,
        partitions: [{ path: partition, rows }],
      };
      const artifact = await writer.commit(
        meta as unknown as Json,
        new Map([[partition, { bytes: file.bytes, sha256: file.sha256 }]]),
      );
      return {
        outputs: [{ name: 'dataset', digest: artifact.digest }],
        summary: {
          rows,
          columns: columns.map((column) => ({ name: column.name, type: typeText(column.type) })),
          bytes: file.bytes,
          oneThreadBecauseOf: [...prepared.oneThread],
        },
      };
    } finally {
      await session[Symbol.asyncDispose]();
    }
  } catch (error) {
    await writer.discard();
    throw error;
  }
}

/** What a stage may read, and the state in which its source files were found. */
interface Readable {
  readonly files: ReadonlyMap<string, readonly string[]>;
  readonly paths: readonly string[];
  readonly states: ReadonlyMap<string, string>;
}

async function readableOf(context: OperatorContext, stage: OperatorStage<SqlOptions>): Promise<Readable> {
  const { relation } = stage.options;
  const files = new Map<string, readonly string[]>();
  const states = new Map<string, string>();
  for (const source of sourcesOf(relation)) {
    const hashed = await context.sources(source.source.path, context.stage);
    files.set(
      sourceKey(source),
      hashed.map((file) => file.path),
    );
    for (const { path, bytes } of hashed) {
      const state = await stateOf(path);
      if (state.bytes !== BigInt(bytes)) throw sourceChanged(path);
      states.set(path, state.text);
    }
  }
  const inputs = Object.values(stage.inputs).flatMap((input) =>
    Object.values(input.artifacts).map((artifact) => artifact.directory),
  );
  return { files, paths: [...[...files.values()].flat(), ...inputs], states };
}

/** The key holds the content that was hashed: rows of another content must not be kept under it. */
async function checkUnchanged(readable: Readable): Promise<void> {
  for (const [path, before] of readable.states) {
    if ((await stateOf(path)).text !== before) throw sourceChanged(path);
  }
}

async function stateOf(path: string): Promise<{ readonly text: string; readonly bytes: bigint }> {
  const found = await stat(path, { bigint: true }).catch(() => null);
  return found === null
    ? { text: '', bytes: -1n }
    : { text: `${found.size} ${found.mtimeNs} ${found.ino}`, bytes: found.size };
}

function sourceChanged(path: string): MillraceError {
  return new MillraceError('SOURCE_CHANGED', {
    path,
    expected: 'a file that stays as it is while the run reads it',
    received: 'one that changed',
    hint: 'Run again once its writer is done.',
    retryable: true,
  });
}

async function prepare(
  context: OperatorContext,
  stage: OperatorStage<SqlOptions>,
  session: SqlSession,
  files: ReadonlyMap<string, readonly string[]>,
): Promise<Prepared> {
  const { relation, key } = stage.options;
  const inputs = Object.fromEntries(
    Object.entries(stage.inputs).flatMap(([name, input]) => {
      const artifact =
        input.artifacts['dataset'] ?? Object.values(input.artifacts).find((each) => each.manifest.kind === 'dataset');
      return artifact === undefined ? [] : [[name, datasetTable(artifact)]];
    }),
  );
  const compiled = await compileRelation(
    { engine: context.sql, session, inputs, files, path: context.stage },
    relation,
  );
  const declared = stage.options.columns ?? declaredColumns(relation);
  const casts = castColumns(compiled.columns, declared ?? compiled.columns, false, context.stage);
  if (declared !== null) await checkCasts(session, compiled, casts, context.stage);
  checkKey(context.stage, key, casts);
  const fields = casts.map((cast) => `${cast.expression} AS ${quoteIdentifier(cast.target.name)}`);
  const order = orderOf(
    casts.map((cast) => cast.target),
    key,
  );
  const select = `${withClause(compiled.steps)}SELECT ${fields.join(', ')}\nFROM ${compiled.table}\nORDER BY ${order.join(', ')}`;
  const oneThread = await remainingSensitivity(session, compiled.orderSensitive, select, compiled.values);
  return { compiled, casts, select, oneThread };
}

function checkKey(stage: string, key: readonly string[], casts: readonly ColumnCast[]): void {
  const names = casts.map((cast) => cast.target.name);
  const unknown = key.find((name) => !names.includes(name));
  if (unknown === undefined) return;
  const near = nearestName(unknown, names);
  throw new MillraceError('CONFIG_INVALID', {
    path: `${stage}.key`,
    expected: `columns of the result, such as ${names
      .slice(0, 8)
      .map((name) => `'${name}'`)
      .join(', ')}`,
    received: `'${unknown}'`,
    ...(near === null ? {} : { hint: `Did you mean '${near}'?` }),
  });
}

/** A total order: by the key, which is proven unique, else by all columns. Positions, since names may be shadowed. */
function orderOf(columns: readonly Column[], key: readonly string[]): readonly string[] {
  const positions =
    key.length > 0
      ? key.map((name) => columns.findIndex((column) => column.name === name) + 1)
      : columns.map((_, index) => index + 1);
  return positions.map(String);
}

async function write(
  context: OperatorContext,
  session: SqlSession,
  prepared: Prepared,
  target: string,
): Promise<number> {
  try {
    return (await session.writeParquet(prepared.select, target, prepared.compiled.values)).rows;
  } catch (error) {
    if (!isMillraceError(error)) throw error;
    const refused =
      error.code === 'DATA_TYPE' || error.code === 'DATA_OUT_OF_RANGE'
        ? await findRefused(context.stage, session, prepared)
        : null;
    throw refused ?? (error.path === 'sql' || error.path.startsWith('sql:') ? atPath(error, context.stage) : error);
  }
}

/** Counts what the checked casts refuse: first those inside, then those of the stage. null: it was none of them. */
async function findRefused(stage: string, session: SqlSession, prepared: Prepared): Promise<MillraceError | null> {
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
  prepared: Prepared,
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

function checkNulls(stage: string, columns: readonly (Column & { readonly nulls: number })[], rows: number): void {
  const broken = columns.find((column) => !column.type.nullable && column.nulls > 0);
  if (broken !== undefined) throw nullError(stage, broken, broken.nulls, rows);
}

/** Rows lie in the order of the key, so that equal keys are neighbors: one streaming pass finds them. */
async function proveKey(
  context: OperatorContext,
  session: SqlSession,
  key: readonly string[],
  target: string,
  rows: number,
): Promise<void> {
  const names = key.map(quoteIdentifier);
  const same = names.map((name, index) => `${name} IS NOT DISTINCT FROM p${index}`).join(' AND ');
  const { rows: found } = await session.query(
    `SELECT count(*) AS n FROM (
       SELECT ${names.join(', ')}, row_number() OVER () AS i, ${names.map((name, index) => `lag(${name}) OVER () AS p${index}`).join(', ')}
       FROM read_parquet(${quoteLiteral(target)}))
     WHERE i > 1 AND ${same}`,
  );
  const count = Number(found[0]?.['n'] ?? 0);
  if (count === 0) return;
  throw new MillraceError('DATA_KEY_NOT_UNIQUE', {
    path: `${context.stage}.key`,
    expected: `rows that differ in ${key.join(', ')}`,
    received: `${count} of ${rows} rows that repeat a key`,
    hint: 'Aggregate or deduplicate in SQL, or name more columns in the key.',
    details: { key, count },
  });
}
