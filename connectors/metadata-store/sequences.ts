import { type Operation, row, sql } from './statement.js';

/** The next number of a namespace's sequence, from 1; without gaps, since it belongs to the transaction. */
export function* nextInSequence(namespace: string, name: string): Operation<number> {
  const next = yield* row<{ value: number }>(sql`
    INSERT INTO sequences (namespace, name, value) VALUES (${namespace}, ${name}, 1)
    ON CONFLICT (namespace, name) DO UPDATE SET value = sequences.value + 1
    RETURNING value`);
  return next!.value;
}

export function* sequenceValue(namespace: string, name: string): Operation<number> {
  const found = yield* row<{ value: number }>(
    sql`SELECT value FROM sequences WHERE namespace = ${namespace} AND name = ${name}`,
  );
  return found?.value ?? 0;
}
