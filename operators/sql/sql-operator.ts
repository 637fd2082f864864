import { writeFile } from 'node:fs/promises';
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
import { quoteIdentifier, type SqlSession } from '../../pipelines/contracts/sql.js';
import type { Column } from '../../pipelines/types/column-type.js';
import type { ColumnCast } from './checked-cast.js';
import { describeFile, type WrittenFile } from './column-digests.js';
import { atPath, type CompiledRelation, castColumns, compileRelation, withClause } from './compile-relation.js';
import { datasetTable } from './dataset-table.js';
import { checkCasts, declaredColumns } from './describe-relation.js';
import { remainingSensitivity } from './order-sensitivity.js';
import { proveKey } from './prove-key.js';
import { checkNulls, findRefused } from './refused-rows.js';
import { checkUnchanged, readableOf } from './source-state.js';
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
  /** Whether the casts are to declared columns. */
  readonly isDeclared: boolean;
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
      writer.flush(partition);
      await checkUnchanged(readable);
      const columns = prepared.casts.map((cast) => cast.target);
      const file = await proveAndDescribe(context, session, stage.options.key, { target, columns, rows });
      checkNulls(context.stage, file.columns, rows);
      const meta: DatasetMeta = {
        rows,
        columns: file.columns,
        key: stage.options.key,
        partitions: [{ path: partition, rows }],
      };
      const committing = writer.commit(
        meta as unknown as Json,
        new Map([[partition, { bytes: file.bytes, sha256: file.sha256 }]]),
      );
      // DuckDB gives its memory back while the disk is waited for.
      const [{ digest }] = await Promise.all([committing, session[Symbol.asyncDispose]()]);
      return {
        outputs: [{ name: 'dataset', digest }],
        summary: {
          rows,
          // Names and types are in the manifest: a summary is small.
          columns: columns.length,
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
  checkKey(context.stage, key, casts);
  const fields = casts.map((cast) => `${cast.expression} AS ${quoteIdentifier(cast.target.name)}`);
  const order = orderOf(
    casts.map((cast) => cast.target),
    key,
  );
  const select = `${withClause(compiled.steps)}SELECT ${fields.join(', ')}\nFROM ${compiled.table}\nORDER BY ${order.join(', ')}`;
  const oneThread = await remainingSensitivity(session, compiled.orderSensitive, select, compiled.values);
  return { compiled, casts, isDeclared: declared !== null, select, oneThread };
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

/**
 * Both read the file on one thread each, side by side. Neither is left running: a key that repeats is told before
 * anything that went wrong beside it.
 */
async function proveAndDescribe(
  context: OperatorContext,
  session: SqlSession,
  key: readonly string[],
  file: { readonly target: string; readonly columns: readonly Column[]; readonly rows: number },
): Promise<WrittenFile> {
  const { target, columns, rows } = file;
  const [proven, described] = await Promise.allSettled([
    key.length > 0 && rows > 1 ? proveKey(context, session, key, target, rows) : Promise.resolve(),
    describeFile(session, target, columns, rows, context.signal),
  ]);
  if (proven.status === 'rejected') throw proven.reason;
  if (described.status === 'rejected') throw described.reason;
  return described.value;
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
    // Asked after the failure alone: binding once more costs as much as the rest of a small stage.
    if (prepared.isDeclared && (error.code.startsWith('SQL_') || error.code === 'DATA_TYPE'))
      await checkCasts(session, prepared.compiled, prepared.casts, context.stage);
    const refused =
      error.code === 'DATA_TYPE' || error.code === 'DATA_OUT_OF_RANGE'
        ? await findRefused(context.stage, session, prepared)
        : null;
    throw refused ?? (error.path === 'sql' || error.path.startsWith('sql:') ? atPath(error, context.stage) : error);
  }
}
