import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StatisticsDocument } from '../../../pipelines/contracts/training.js';
import { encodePart } from '../../../pipelines/network/encode-part.js';
import { traceFit } from '../../../pipelines/network/trace-fit.js';
import {
  bucketize,
  embed,
  log1p,
  minMax,
  network,
  oneHot,
  output,
  passthrough,
  piecewiseLinear,
  standardize,
} from '../../../pipelines/nn.js';
import { type Fixture, openFixture } from '../../integration/operators/feed/feed-fixture.js';
import { rawColumn, seeded } from './raw-values.js';
import { differences, readByOnnx, readBySql } from './two-readers.js';

let fixture: Fixture;
beforeAll(async () => {
  fixture = await openFixture();
});
afterAll(() => fixture[Symbol.asyncDispose]());

const rows = 400;
const numbers = [
  'int8',
  'int16',
  'int32',
  'int64',
  'uint8',
  'uint16',
  'uint32',
  'uint64',
  'float32',
  'float64',
] as const;
const wholes = numbers.filter((kind) => kind.includes('int'));
const kindsOf: Readonly<Record<string, readonly ((typeof numbers)[number] | 'string' | 'bool')[]>> = {
  standardize: numbers,
  minMax: numbers,
  log1p: numbers,
  'bucketize by edges': numbers,
  'bucketize by quantiles': numbers,
  piecewiseLinear: numbers,
  passthrough: [...numbers, 'bool'],
  oneHot: ['string', 'bool', ...wholes],
  embed: ['string', 'bool', ...wholes],
  'embed of rare values': ['string', 'int32'],
};
const inputs: Readonly<Record<string, () => unknown>> = {
  standardize: () => standardize(),
  minMax: () => minMax(),
  log1p: () => log1p(),
  'bucketize by edges': () => bucketize({ edges: [-1, 0, 0.1, 7, 1e9] }),
  'bucketize by quantiles': () => bucketize({ bins: 16 }),
  piecewiseLinear: () => piecewiseLinear({ bins: 8 }),
  passthrough: () => passthrough(),
  oneHot: () => oneHot({ minCount: 1 }),
  embed: () => embed({ dimension: 2, minCount: 1 }),
  'embed of rare values': () => embed({ dimension: 2, minCount: 3, maxSize: 4 }),
};

/** Statistics that the values themselves give, as far as they are legal to train on; else plain ones. */
function statisticsFor(fit: ReturnType<typeof traceFit>, cells: readonly unknown[]): StatisticsDocument {
  const finite = cells
    .filter((cell) => typeof cell === 'bigint' || (typeof cell === 'number' && Math.abs(cell) < 1e12))
    .map(Number)
    .sort((a, b) => a - b);
  const slots: Record<string, StatisticsDocument['slots'][string]> = {};
  const sizes: Record<string, number> = {};
  for (const { name, statistic, dtype, size } of fit.slots) {
    if (statistic.kind === 'vocabulary') {
      const counts = new Map<string, number>();
      for (const cell of cells)
        if (cell !== null && cell !== '') counts.set(String(cell), (counts.get(String(cell)) ?? 0) + 1);
      const values = [...counts]
        .filter(([value, count]) => count >= statistic.minCount && value !== 'never seen')
        .map(([value]) => value)
        .slice(0, statistic.maxSize);
      slots[name] = {
        dtype: dtype as 'string',
        shape: [values.length],
        values: values.sort((a, b) =>
          dtype === 'string' ? Buffer.compare(Buffer.from(a), Buffer.from(b)) : Number(BigInt(a) - BigInt(b)),
        ),
      };
    } else if (statistic.kind === 'quantiles') {
      const edges = [
        ...new Set(
          Array.from(
            { length: statistic.bins + 1 },
            (_, index) => finite[Math.floor((index * (finite.length - 1)) / statistic.bins)]!,
          ),
        ),
      ];
      slots[name] = { dtype: 'float64', shape: [edges.length], values: edges };
    } else {
      const value = {
        mean: 12.345678901234567,
        standardDeviation: 3.3333333333333335,
        minimum: finite[0]!,
        maximum: finite.at(-1)!,
        range: 0.1 + 0.2,
      }[statistic.kind];
      slots[name] = { dtype: 'float64', shape: [], values: [value] };
    }
    if (size !== null) sizes[size] = slots[name]!.values.length;
  }
  return { formatVersion: 1, slots, sizes, rows: { train: 0, validation: 0, test: 0 }, classes: [] };
}

describe.each(Object.keys(inputs))('%s', (name) => {
  it.each(kindsOf[name]!.flatMap((kind) => [[kind, false] as const, [kind, true] as const]))(
    'gives equal bytes in SQL and in ONNX for %s, nullable: %s',
    async (kind, nullable) => {
      const raw = rawColumn('some "column"', kind, nullable, rows, seeded(11));
      const cells =
        name === 'log1p'
          ? raw.cells.map((cell) => (cell !== null && Number(cell) <= -1 ? (typeof cell === 'bigint' ? 0n : 0) : cell))
          : raw.cells;
      const label = rawColumn('y', 'bool', false, rows, seeded(12));
      const fit = traceFit({
        columns: [raw.column, label.column],
        label: 'y',
        task: 'binary',
        inputs: { [raw.column.name]: inputs[name]!() } as never,
        network: network(output()),
        loss: null,
        weight: null,
      });
      const graph = encodePart(fit.graph);
      const statistics = statisticsFor(fit, cells);
      await using session = await fixture.sql.open({ readable: [], writable: [] });
      const columns = [{ column: raw.column, cells }];
      const sql = await readBySql(session, graph, statistics, columns);
      const onnx = await readByOnnx(fixture.directory, graph, statistics, columns);
      for (const feed of graph.feed) {
        expect(sql[feed.name]).toHaveLength(rows);
        if (name === 'log1p' && feed.dtype === 'float32')
          expect(logarithmsApart(sql[feed.name]!, onnx[feed.name]!)).toEqual([]);
        else expect(differences(sql[feed.name]!, onnx[feed.name]!)).toEqual([]);
      }
    },
  );
});

/** ln in float64 may differ by an ulp of float64 between libraries, and so by one of float32 after rounding; beside 0, where centering cancels, by 2^-48. */
function logarithmsApart(sql: readonly unknown[], onnx: readonly unknown[]): string[] {
  return onnx.flatMap((theirs, row) => {
    const [a, b] = [Number(sql[row]), Number(theirs)];
    if (!Number.isFinite(a) && !Number.isFinite(b)) return [];
    return Math.abs(a - b) <= Math.max(Math.abs(a) * 2 ** -23, 2 ** -48) ? [] : [`row ${row}: ${a} and ${b}`];
  });
}
