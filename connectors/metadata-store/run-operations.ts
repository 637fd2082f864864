import { MillraceError, type SerializedError } from '../../pipelines/contracts/errors.js';
import type { Json } from '../../pipelines/contracts/json.js';
import type { RunRecord, RunStatus } from '../../pipelines/contracts/metadata.js';
import { checkName, quoteName } from './names.js';
import { nextInSequence } from './sequences.js';
import { now, type Operation, row, rows, run, sql } from './statement.js';

interface RunRow {
  readonly id: string;
  readonly sequence: number;
  readonly pipeline: string;
  readonly status: string;
  readonly plan: string;
  readonly bundle: string | null;
  readonly params: string;
  readonly root: string;
  readonly parent_run: string | null;
  readonly parent_stage: string | null;
  readonly created_at: number;
  readonly finished_at: number | null;
  readonly error: string | null;
  readonly options: string;
}

function toRecord(found: RunRow): RunRecord {
  return {
    id: found.id,
    pipeline: found.pipeline,
    status: found.status as RunStatus,
    plan: found.plan,
    bundle: found.bundle,
    params: JSON.parse(found.params) as Json,
    root: found.root,
    parent: found.parent_run === null ? null : { run: found.parent_run, stage: found.parent_stage ?? '' },
    sequence: found.sequence,
    createdAt: new Date(found.created_at).toISOString(),
    finishedAt: found.finished_at === null ? null : new Date(found.finished_at).toISOString(),
    error: found.error === null ? null : (JSON.parse(found.error) as SerializedError),
    options: JSON.parse(found.options) as Json,
  };
}

function* findRun(namespace: string, id: string): Operation<RunRow | null> {
  return yield* row<RunRow>(sql`
    SELECT id, sequence, pipeline, status, plan, bundle, params, root, parent_run, parent_stage, created_at,
      finished_at, error, options
    FROM runs WHERE namespace = ${namespace} AND id = ${id}`);
}

export type NewRun = Omit<RunRecord, 'sequence' | 'createdAt' | 'finishedAt' | 'status' | 'error'>;

/** Creating the same run again (a host that did not hear the answer) returns the first record. */
export function* createRun(namespace: string, record: NewRun): Operation<RunRecord> {
  checkName('run.id', record.id);
  checkName('run.pipeline', record.pipeline);
  const known = yield* findRun(namespace, record.id);
  if (known !== null) {
    if (known.plan === record.plan && known.pipeline === record.pipeline) return toRecord(known);
    throw new MillraceError('INTERNAL', {
      path: `run.${record.id}`,
      expected: 'an id that no other run has',
      received: `the id of a run of '${known.pipeline}' with another plan`,
    });
  }
  const sequence = yield* nextInSequence(namespace, 'runs');
  const at = yield* now();
  yield* run(sql`
    INSERT INTO runs (namespace, id, sequence, pipeline, status, plan, bundle, params, root, parent_run,
      parent_stage, created_at, finished_at, error, options)
    VALUES (${namespace}, ${record.id}, ${sequence}, ${record.pipeline}, 'running', ${record.plan}, ${record.bundle},
      ${JSON.stringify(record.params)}, ${record.root}, ${record.parent?.run ?? null}, ${record.parent?.stage ?? null},
      ${at}, NULL, NULL, ${JSON.stringify(record.options)})`);
  return toRecord((yield* findRun(namespace, record.id))!);
}

export function* setRunStatus(
  namespace: string,
  id: string,
  status: RunStatus,
  error: SerializedError | null,
): Operation<void> {
  const isFinished = status !== 'running' && status !== 'waiting';
  const finishedAt = isFinished ? yield* now() : null;
  const changed = yield* run(sql`
    UPDATE runs SET status = ${status}, finished_at = ${finishedAt},
      error = ${error === null ? null : JSON.stringify(error)}
    WHERE namespace = ${namespace} AND id = ${id}`);
  if (changed === 0) throw runNotFound(id, 'no run of this id');
}

export function* getRun(namespace: string, idOrPrefix: string): Operation<RunRecord> {
  if (idOrPrefix === '') throw runNotFound(idOrPrefix, 'an empty id');
  checkName('run', idOrPrefix);
  const exact = yield* findRun(namespace, idOrPrefix);
  if (exact !== null) return toRecord(exact);
  const found = yield* rows<{ id: string }>(sql`
    SELECT id FROM runs
    WHERE namespace = ${namespace} AND id >= ${idOrPrefix} AND id < ${`${idOrPrefix}~`} ORDER BY id LIMIT 2`);
  if (found.length === 0) throw runNotFound(idOrPrefix, 'no run of this id');
  if (found.length > 1) throw runNotFound(idOrPrefix, 'a prefix that several runs share');
  return toRecord((yield* findRun(namespace, found[0]!.id))!);
}

function runNotFound(id: string, received: string): MillraceError {
  return new MillraceError('RUN_NOT_FOUND', {
    path: `run ${quoteName(id)}`,
    expected: "a run's id or a unique prefix of it",
    received,
    hint: '`millrace runs list` shows all runs.',
  });
}

export function* listRuns(
  namespace: string,
  filter: { readonly pipeline?: string; readonly parent?: string; readonly limit: number },
): Operation<readonly RunRecord[]> {
  const { pipeline, parent, limit } = filter;
  if (parent !== undefined) {
    const nested = yield* rows<RunRow>(sql`
      SELECT id, sequence, pipeline, status, plan, bundle, params, root, parent_run, parent_stage, created_at,
        finished_at, error, options
      FROM runs WHERE namespace = ${namespace} AND parent_run = ${parent}
        AND (CAST(${pipeline ?? null} AS TEXT) IS NULL OR pipeline = ${pipeline ?? null})
      ORDER BY sequence DESC LIMIT ${limit}`);
    return nested.map(toRecord);
  }
  if (pipeline !== undefined) {
    const ofPipeline = yield* rows<RunRow>(sql`
      SELECT id, sequence, pipeline, status, plan, bundle, params, root, parent_run, parent_stage, created_at,
        finished_at, error, options
      FROM runs WHERE namespace = ${namespace} AND pipeline = ${pipeline} ORDER BY sequence DESC LIMIT ${limit}`);
    return ofPipeline.map(toRecord);
  }
  const all = yield* rows<RunRow>(sql`
    SELECT id, sequence, pipeline, status, plan, bundle, params, root, parent_run, parent_stage, created_at,
      finished_at, error, options
    FROM runs WHERE namespace = ${namespace} ORDER BY sequence DESC LIMIT ${limit}`);
  return all.map(toRecord);
}
