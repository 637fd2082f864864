import type { KeyReason, StageRecord } from '../../pipelines/contracts/metadata.js';

/** Why a stage was computed or found: its key's parts against those of the newest earlier run of this stage. */
export function keyReason(
  hit: boolean,
  parts: Readonly<Record<string, string>>,
  before: StageRecord | null,
  note: string | null,
): KeyReason {
  if (before === null)
    return { hit, changed: [], note: note ?? (hit ? 'found under the same key' : 'first run of this stage') };
  const names = [...new Set([...Object.keys(before.keyParts), ...Object.keys(parts)])].sort();
  const changed = names
    .filter((name) => before.keyParts[name] !== parts[name])
    .map((part) => ({ part, before: before.keyParts[part] ?? null, after: parts[part] ?? null }));
  const explained =
    note ?? (changed.length === 0 ? (hit ? 'nothing changed' : 'nothing changed, but its result is not kept') : null);
  return { hit, changed, note: explained };
}

/** One line for people: `miss: options.training.maxEpochs changed`. */
export function describeReason(reason: KeyReason): string {
  const parts = reason.changed.map(({ part, before, after }) =>
    before === null ? `${part} is new` : after === null ? `${part} is gone` : `${part} changed`,
  );
  return `${reason.hit ? 'hit' : 'miss'}: ${[...parts, ...(reason.note === null ? [] : [reason.note])].join('; ')}`;
}
