import { expect, test } from 'vitest';
import type { SqlCell } from '../../../../pipelines/contracts/sql.js';
import type { Column, ColumnType } from '../../../../pipelines/types/column-type.js';
import { arrowSchemaOf, recordBatchOf } from '../../../../workflows/children/arrow-batches.js';

const date: ColumnType = { kind: 'date', nullable: true };
const timestamp: ColumnType = { kind: 'timestamp', nullable: true };

/** The cells of one column as a custom stage sees them. */
function seen(type: ColumnType, cells: readonly SqlCell[]): unknown {
  const columns: Column[] = [{ name: 'v', type }];
  const batch = recordBatchOf({ rows: cells.length, columns: [cells] }, columns, arrowSchemaOf(columns));
  return JSON.parse(JSON.stringify(batch.toArray().map((row) => row.toJSON()['v'] as unknown)));
}

const day = Date.UTC(2026, 0, 2);
const moment = BigInt(Date.UTC(2026, 0, 2, 3, 4, 5)) * 1000n;

test('gives dates and timestamps in milliseconds', () => {
  expect(seen(date, ['2026-01-02', null])).toEqual([day, null]);
  expect(seen(timestamp, [moment, null, -1n])).toEqual([Number(moment) / 1000, null, -0.001]);
});

test('gives the same inside lists and structs', () => {
  expect(seen({ kind: 'list', item: date, nullable: true }, [['2026-01-02', null], null, []])).toEqual([
    [day, null],
    null,
    [],
  ]);
  expect(seen({ kind: 'list', item: timestamp, nullable: false }, [[moment]])).toEqual([[Number(moment) / 1000]]);
  const fields = [
    { name: 'on', type: date },
    { name: 'at', type: { kind: 'list', item: timestamp, nullable: true } },
  ] as const;
  expect(seen({ kind: 'struct', fields, nullable: true }, [{ on: '2026-01-02', at: [moment] }, null])).toEqual([
    { on: day, at: [Number(moment) / 1000] },
    null,
  ]);
});
