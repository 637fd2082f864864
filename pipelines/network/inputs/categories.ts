import { MillraceError } from '../../contracts/errors.js';
import type { IntegerKind } from '../../types/column-type.js';
import { type Dim, type SlotSpec, type Statistic, sizeOf } from '../graph.js';
import type { Value } from '../tracer.js';
import type { RawColumn } from './raw-column.js';

export type CategoryKind = 'string' | 'bool' | IntegerKind;

/** A column as indices: 0 missing, 1 unknown (rare or never seen in training), then the values in ascending order. */
export interface Categories {
  /** int64 [batch]. */
  readonly index: Value;
  /** How many indices there are: the size of `symbol`, if any, plus `plus`. */
  readonly size: Dim;
  readonly symbol: string | null;
  readonly plus: number;
}

/**
 * Looks a column up in the vocabulary of the train split. A bool needs none: 0 missing, 1 false, 2 true.
 *
 * @param shared - the name of a vocabulary that several columns share, or null.
 */
export function categories(
  raw: RawColumn,
  statistic: Extract<Statistic, { kind: 'vocabulary' }>,
  shared: string | null,
): Categories {
  const { tracer } = raw;
  if (raw.column.type.kind === 'bool') {
    const value = raw.cast(raw.fill(raw.float64(), tracer.constant(0, 'float64')), 'int64');
    const index = raw.fill(tracer.apply('add', [value, tracer.constant(1, 'int64')]), tracer.constant(0, 'int64'));
    return { index, size: 3, symbol: null, plus: 3 };
  }
  const symbol = shared === null ? raw.slotName('vocabulary') : `shared/${shared}.vocabulary`;
  const dtype = raw.x.dtype === 'string' ? 'string' : 'int64';
  const list = tracer.slot(
    merged(tracer.slots, {
      name: symbol,
      column: raw.column.name,
      statistic,
      dtype,
      shape: [sizeOf(symbol)],
      size: symbol,
    }),
  );
  const found = { missing: 0, unknown: 1, first: 2 };
  if (raw.x.dtype !== 'float64')
    return { index: tracer.apply('lookup', [raw.x, list], found), size: sizeOf(symbol, 2), symbol, plus: 2 };
  const whole = raw.cast(raw.fill(raw.x, tracer.constant(0, 'float64')), 'int64');
  const index = raw.fill(tracer.apply('lookup', [whole, list], found), tracer.constant(0, 'int64'));
  return { index, size: sizeOf(symbol, 2), symbol, plus: 2 };
}

/** The slot of a shared vocabulary, over the columns of all inputs that named it. */
function merged(slots: readonly SlotSpec[], next: SlotSpec): SlotSpec {
  const known = slots.find((slot) => slot.name === next.name);
  if (known === undefined || known.column === next.column) return next;
  if (known.dtype !== next.dtype || JSON.stringify(known.statistic) !== JSON.stringify(next.statistic)) {
    throw new MillraceError('NETWORK_INVALID', {
      path: `fit.inputs.${next.column}.vocabulary`,
      expected: `the kind, minCount and maxSize of '${known.column}', which shares the vocabulary`,
      received: `${next.dtype} with ${JSON.stringify(next.statistic)} beside ${known.dtype} with ${JSON.stringify(known.statistic)}`,
    });
  }
  return { ...known, alsoColumns: [...(known.alsoColumns ?? []), next.column] };
}
