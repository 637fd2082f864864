import { type RecordBatch, tableFromArrays } from 'apache-arrow';
import type { CustomContext } from 'millrace';
import { minutesPerPage } from './minutes-per-page.js';

/** Minutes a page, 0 where the minutes are not known. */
export async function* pace({ inputs }: CustomContext<'visits'>): AsyncGenerator<RecordBatch> {
  for await (const batch of inputs.visits) {
    const pages = batch.getChild('pages')!;
    const minutes = batch.getChild('minutes')!;
    const table = tableFromArrays({
      visit_id: batch.getChild('visit_id')!.toArray() as BigInt64Array,
      pace: Float64Array.from(pages, (count, row) =>
        minutesPerPage(minutes.get(row) as number | null, count as number),
      ),
    });
    yield* table.batches;
  }
}
