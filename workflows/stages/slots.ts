import { realpathSync } from 'node:fs';
import { Semaphore } from './semaphore.js';

/** How many heavy stages of one process run at once on a store, by weight. */
export const slotCounts = { sql: 2, train: 1 } as const;

export type Slots = Readonly<Record<keyof typeof slotCounts, Semaphore>>;

const stores = new Map<string, Slots>();

/** The slots that every run of this process on this store takes turns in, nested ones too. */
export function slotsOf(directory: string): Slots {
  const place = realpathSync(directory);
  const known = stores.get(place);
  if (known !== undefined) return known;
  const slots = { sql: new Semaphore(slotCounts.sql), train: new Semaphore(slotCounts.train) };
  stores.set(place, slots);
  return slots;
}
