import type { SqlCell } from '../../pipelines/contracts/sql.js';
import type { Kind } from '../../pipelines/types/column-type.js';

/** The rows that share a value of a slice column. */
export interface SliceGroup {
  /** null for a missing value. */
  readonly value: string | null;
  readonly rows: Uint32Array;
}

export interface SliceGroups {
  /** Most rows first, then by value; groups of numbers in ascending order. */
  readonly groups: readonly SliceGroup[];
  readonly omitted: { readonly values: number; readonly rows: number };
}

const MOST_VALUES = 50;
/** A number with more values than this is cut into groups. */
const MOST_NUMBERS = 20;
const NUMBER_GROUPS = 5;
const numbers: ReadonlySet<Kind> = new Set([
  ...(['int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64'] as const),
  ...(['float32', 'float64', 'decimal'] as const),
]);

/**
 * Groups rows by a column's text; a number with more than 20 values by five groups of about equal size instead, whose
 * borders are values of the column.
 */
export function groupRows(cells: readonly SqlCell[], kind: Kind): SliceGroups {
  const rowsOf = new Map<string | null, number[]>();
  for (let row = 0; row < cells.length; row++) {
    const cell = cells[row] ?? null;
    const value = cell === null ? null : String(cell);
    const rows = rowsOf.get(value);
    if (rows === undefined) rowsOf.set(value, [row]);
    else rows.push(row);
  }
  if (numbers.has(kind) && rowsOf.size > MOST_NUMBERS)
    return { groups: groupNumbers(rowsOf), omitted: { values: 0, rows: 0 } };
  const sorted = [...rowsOf].sort((a, b) => b[1].length - a[1].length || ((a[0] ?? '') < (b[0] ?? '') ? -1 : 1));
  const left = sorted.slice(MOST_VALUES);
  return {
    groups: sorted.slice(0, MOST_VALUES).map(([value, rows]) => ({ value, rows: Uint32Array.from(rows) })),
    omitted: { values: left.length, rows: left.reduce((sum, [, rows]) => sum + rows.length, 0) },
  };
}

function groupNumbers(rowsOf: ReadonlyMap<string | null, readonly number[]>): SliceGroup[] {
  const values = [...rowsOf].flatMap(([value, rows]) =>
    value === null ? [] : [{ value, number: Number(value), rows }],
  );
  // NaN stands last, as in DuckDB.
  values.sort((a, b) => (Number.isNaN(a.number) ? 1 : Number.isNaN(b.number) ? -1 : a.number - b.number));
  const total = values.reduce((sum, { rows }) => sum + rows.length, 0);
  const groups: SliceGroup[] = [];
  let members: typeof values = [];
  let counted = 0;
  for (const [i, value] of values.entries()) {
    members.push(value);
    counted += value.rows.length;
    if (counted < (total * (groups.length + 1)) / NUMBER_GROUPS && i + 1 < values.length) continue;
    const name = members.length === 1 ? members[0]!.value : `${members[0]!.value} to ${members.at(-1)!.value}`;
    groups.push({ value: name, rows: Uint32Array.from(members.flatMap((member) => member.rows)).sort() });
    members = [];
  }
  const missing = rowsOf.get(null);
  if (missing !== undefined) groups.push({ value: null, rows: Uint32Array.from(missing) });
  return groups;
}
