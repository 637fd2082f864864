import type { Json } from '../../pipelines/contracts/json.js';
import type { ActKey } from '../../pipelines/contracts/registry.js';
import { type Operation, row, run, sql } from './statement.js';

export type ActKind = 'register' | 'gate' | 'promote' | 'deploy';

/** How an act signs the history. */
export function actorOf(act: ActKey): string {
  return `run:${act.run}/${act.stage}`;
}

/** The outcome recorded under an idempotency key, or null: then the act has had no effect yet. */
export function* recallAct<T>(namespace: string, act: ActKey, kind: ActKind, subject: string): Operation<T | null> {
  const found = yield* row<{ outcome: string }>(sql`
    SELECT outcome FROM acts WHERE namespace = ${namespace} AND run = ${act.run} AND stage = ${act.stage}
      AND kind = ${kind} AND subject = ${subject}`);
  return found === null ? null : (JSON.parse(found.outcome) as T);
}

/** In the transaction of the effect. A later judgment of the same stage takes the place of the earlier one. */
export function* recordAct(
  namespace: string,
  act: ActKey,
  kind: ActKind,
  subject: string,
  outcome: Json,
): Operation<void> {
  yield* run(sql`
    INSERT INTO acts (namespace, run, stage, kind, subject, outcome)
    VALUES (${namespace}, ${act.run}, ${act.stage}, ${kind}, ${subject}, ${JSON.stringify(outcome)})
    ON CONFLICT (namespace, run, stage, kind, subject) DO UPDATE SET outcome = excluded.outcome`);
}
