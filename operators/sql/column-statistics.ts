import type { SqlRow } from '../../pipelines/contracts/sql.js';
import type { ColumnType } from '../../pipelines/types/column-type.js';

/**
 * The smallest or largest of the texts that the row groups give, or null where one of them gives none although it
 * holds values (long texts, not-a-number), or where the type has no order.
 *
 * @param direction - −1 for the minimum, 1 for the maximum.
 */
export function compareStatistic(
  type: ColumnType,
  groups: readonly SqlRow[],
  member: 'stats_min_value' | 'stats_max_value',
  direction: -1 | 1,
): string | null {
  let best: string | null = null;
  for (const group of groups) {
    if (Number(group['num_values'] ?? 0) === Number(group['stats_null_count'] ?? -1)) continue;
    const text = group[member];
    if (typeof text !== 'string') return null;
    const order = best === null ? direction : compare(type, text, best);
    if (order === null) return null;
    if (order * direction > 0) best = text;
  }
  return best;
}

function compare(type: ColumnType, a: string, b: string): number | null {
  switch (type.kind) {
    case 'int8':
    case 'int16':
    case 'int32':
    case 'int64':
    case 'uint8':
    case 'uint16':
    case 'uint32':
    case 'uint64':
      return order(BigInt(a), BigInt(b));
    case 'float32':
    case 'float64':
      return Number.isNaN(Number(a)) || Number.isNaN(Number(b)) ? null : order(Number(a), Number(b));
    case 'decimal':
      return order(scaled(a, type.scale), scaled(b, type.scale));
    case 'date':
    case 'timestamp':
      // ISO texts of four-digit years are in the order of time.
      return /^\d{4}-/.test(a) && /^\d{4}-/.test(b) ? order(a, b) : null;
    case 'bool':
      return order(a, b);
    case 'string':
      return Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8'));
    default:
      return null;
  }
}

function scaled(text: string, scale: number): bigint {
  const [whole = '0', fraction = ''] = text.split('.');
  return BigInt(`${whole}${fraction.padEnd(scale, '0').slice(0, scale)}`);
}

function order<T extends bigint | number | string>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
