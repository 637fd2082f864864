import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** What `runs logs` reads: one event of a run. */
export interface LogLine {
  readonly kind: string;
  readonly stage?: string;
}

export function logOf(store: string, run: string): readonly LogLine[] {
  const file = join(store, 'records', run, 'run.log');
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line) as LogLine);
}

/** Ids of the runs that left records, oldest first. */
export function recordedRuns(store: string): readonly string[] {
  const records = join(store, 'records');
  return existsSync(records) ? readdirSync(records).sort() : [];
}

/** The id of the store's one run, once the stage has begun `times` times. */
export async function stageBegun(store: string, stage: string, times = 1): Promise<string> {
  for (let tries = 0; tries < 12_000; tries++) {
    const [run] = recordedRuns(store);
    const begun = run === undefined ? 0 : beginnings(store, run, stage);
    if (run !== undefined && begun >= times) return run;
    await delay(5);
  }
  throw new Error(`the stage '${stage}' did not begin within a minute`);
}

export function beginnings(store: string, run: string, stage: string): number {
  return logOf(store, run).filter((line) => line.kind === 'stageStarted' && line.stage === stage).length;
}

/** Temporary directories and scratch that a finished run should not leave. */
export function leftovers(store: string): string[] {
  return ['tmp', 'scratch'].flatMap((name) =>
    existsSync(join(store, name)) ? readdirSync(join(store, name)).map((entry) => `${name}/${entry}`) : [],
  );
}
