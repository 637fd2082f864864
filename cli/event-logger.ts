import { appendFileSync, closeSync, existsSync, fstatSync, mkdirSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { RunEvent } from '../workflows/stages/stage-options.js';

/** One JSON line an event in records/<run>/run.log, of each run in its own: what `runs logs` shows. */
export function eventLogger(directory: string): (event: RunEvent) => void {
  const lastProgress = new Map<string, number>();
  const fileOf = (run: string): string => join(directory, 'records', run, 'run.log');
  const append = (run: string, line: object): void => {
    appendFileSync(fileOf(run), `${JSON.stringify({ at: new Date().toISOString(), ...line })}\n`);
  };
  return (event) => {
    if (event.kind === 'run') {
      mkdirSync(join(directory, 'records', event.run), { recursive: true });
      if (endsTorn(fileOf(event.run))) appendFileSync(fileOf(event.run), '\n');
      // The log of the run that spawned it says where its own is.
      if (event.parent !== null) append(event.parent.run, { ...event, stage: event.parent.stage });
    }
    if (event.kind === 'stageProgress') {
      if (Date.now() - (lastProgress.get(event.run) ?? 0) < 1000) return;
      lastProgress.set(event.run, Date.now());
    }
    append(event.run, logged(event));
  };
}

/** Whether a kill or a full disk cut the last line: what a resumed run adds must not go on in it. */
function endsTorn(file: string): boolean {
  if (!existsSync(file)) return false;
  const descriptor = openSync(file, 'r');
  try {
    const { size } = fstatSync(descriptor);
    const last = Buffer.alloc(1);
    return size > 0 && readSync(descriptor, last, 0, 1, size - 1) === 1 && last.toString('latin1') !== '\n';
  } finally {
    closeSync(descriptor);
  }
}

function logged(event: RunEvent): object {
  if (event.kind !== 'stageFinished') return event;
  const { stage, status, durationMs, error } = event.record;
  return { kind: event.kind, run: event.run, stage, status, durationMs, error: error?.message ?? null };
}
