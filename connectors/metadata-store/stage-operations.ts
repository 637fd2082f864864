import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { MetricPoint, StageRecord } from '../../pipelines/contracts/metadata.js';
import { type Operation, row, rows, run, sql } from './statement.js';

const maxSummaryBytes = 64 * 1024;

/** Replaces the line of (run, stage) unless a later attempt wrote it: a zombie attempt changes nothing. */
export function* putStage(namespace: string, record: StageRecord): Operation<void> {
  const summaryBytes = Buffer.byteLength(JSON.stringify(record.summary) ?? 'null');
  if (summaryBytes > maxSummaryBytes) {
    throw new MillraceError('INTERNAL', {
      path: `${record.stage}.summary`,
      expected: `at most ${maxSummaryBytes} bytes of JSON`,
      received: `${summaryBytes} bytes`,
      hint: 'Put large results into an artifact.',
    });
  }
  const changed = yield* run(sql`
    INSERT INTO stages (namespace, run, stage, ordinal, pipeline, run_sequence, attempt, status, key, document)
    SELECT CAST(${namespace} AS TEXT), CAST(${record.run} AS TEXT), CAST(${record.stage} AS TEXT),
      (SELECT count(*) FROM stages WHERE namespace = ${namespace} AND run = ${record.run}),
      runs.pipeline, runs.sequence, CAST(${record.attempt} AS BIGINT), CAST(${record.status} AS TEXT),
      CAST(${record.key} AS TEXT), CAST(${JSON.stringify(record)} AS TEXT)
    FROM runs WHERE namespace = ${namespace} AND id = ${record.run}
    ON CONFLICT (namespace, run, stage) DO UPDATE
      SET attempt = excluded.attempt, status = excluded.status, key = excluded.key, document = excluded.document
      WHERE excluded.attempt >= stages.attempt`);
  if (changed > 0) return;
  const known = yield* row<{ id: string }>(
    sql`SELECT id FROM runs WHERE namespace = ${namespace} AND id = ${record.run}`,
  );
  if (known === null) {
    throw new MillraceError('RUN_NOT_FOUND', {
      path: `${record.stage}.run`,
      expected: 'the id of a run in this store',
      received: `'${record.run}'`,
    });
  }
}

export function* listStages(namespace: string, runId: string): Operation<readonly StageRecord[]> {
  const found = yield* rows<{ document: string }>(
    sql`SELECT document FROM stages WHERE namespace = ${namespace} AND run = ${runId} ORDER BY ordinal`,
  );
  return found.map(({ document }) => JSON.parse(document) as StageRecord);
}

export function* getStage(namespace: string, runId: string, stage: string): Operation<StageRecord | null> {
  const found = yield* row<{ document: string }>(
    sql`SELECT document FROM stages WHERE namespace = ${namespace} AND run = ${runId} AND stage = ${stage}`,
  );
  return found === null ? null : (JSON.parse(found.document) as StageRecord);
}

/** A run that is not in the store yet counts as the newest. */
export function* lastStage(
  namespace: string,
  pipeline: string,
  stage: string,
  beforeRun: string,
): Operation<StageRecord | null> {
  const found = yield* row<{ document: string }>(sql`
    SELECT document FROM stages
    WHERE namespace = ${namespace} AND pipeline = ${pipeline} AND stage = ${stage} AND key IS NOT NULL
      AND run_sequence < coalesce(
        (SELECT sequence FROM runs WHERE namespace = ${namespace} AND id = ${beforeRun}), 9007199254740991)
    ORDER BY run_sequence DESC LIMIT 1`);
  return found === null ? null : (JSON.parse(found.document) as StageRecord);
}

/** A metric that is not a number is kept as NULL. */
export function* putMetrics(namespace: string, runId: string, points: readonly MetricPoint[]): Operation<void> {
  for (const { stage, name, value } of points) {
    yield* run(sql`
      INSERT INTO metrics (namespace, run, stage, name, value)
      VALUES (${namespace}, ${runId}, ${stage}, ${name}, ${Number.isNaN(value) ? null : value})
      ON CONFLICT (namespace, run, stage, name) DO UPDATE SET value = excluded.value`);
  }
}

export function* listMetrics(namespace: string, runId: string): Operation<readonly MetricPoint[]> {
  const found = yield* rows<{ stage: string; name: string; value: number | null }>(
    sql`SELECT stage, name, value FROM metrics WHERE namespace = ${namespace} AND run = ${runId} ORDER BY stage, name`,
  );
  return found.map(({ stage, name, value }) => ({ stage, name, value: value ?? Number.NaN }));
}
