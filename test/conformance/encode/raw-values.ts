// Values that break things, and seeded ones.
import type { Column, ScalarKind } from '../../../pipelines/types/column-type.js';
import type { RawCell, RawColumn } from './two-readers.js';

const doubles = [
  0,
  -0,
  5e-324,
  -5e-324,
  2.2250738585072014e-308,
  1.1754943508222875e-38,
  1.1754942106924411e-38,
  1.401298464324817e-45,
  7.006492321624085e-46,
  1e-7,
  0.1,
  -0.1,
  1 / 3,
  0.5,
  1,
  -1,
  -0.999999,
  1.5,
  2.5,
  Math.PI,
  10,
  100,
  16777217,
  2 ** 53 - 1,
  2 ** 53,
  -(2 ** 53),
  1e22,
  1e30,
  3.4028234663852886e38,
  -3.4028234663852886e38,
  2 ** 128 - 2 ** 103 - 2 ** 75,
  2 ** 128 - 2 ** 103,
  1e300,
  -1e300,
];
const texts = [
  '',
  ' ',
  'a',
  'b',
  'A',
  'ä',
  'a\u0308',
  'ß',
  '日本',
  '😀',
  'é',
  "it's",
  '"',
  'a,b',
  'line\nbreak',
  'never seen',
  'NaN',
  'null',
  '0',
  'x'.repeat(300),
];
const wholes: Readonly<Record<string, readonly bigint[]>> = {
  int8: [0n, 1n, -1n, 127n, -128n],
  int16: [0n, 7n, 32767n, -32768n],
  int32: [0n, 7n, -7n, 2147483647n, -2147483648n],
  int64: [0n, 7n, 16777217n, 2n ** 53n - 1n, 2n ** 53n, -(2n ** 53n)],
  uint8: [0n, 7n, 255n],
  uint16: [0n, 7n, 65535n],
  uint32: [0n, 7n, 4294967295n],
  uint64: [0n, 7n, 2n ** 53n],
};

/** mulberry32: seeded, so that a failure comes again. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function rawColumn(
  name: string,
  kind: Exclude<ScalarKind, 'decimal'>,
  nullable: boolean,
  rows: number,
  random: () => number,
): RawColumn {
  const column: Column = { name, type: { kind, nullable } };
  const cells = Array.from(
    { length: rows },
    (_, row): RawCell => (nullable && row % 7 === 3 ? null : cell(kind, row, random)),
  );
  return { column, cells };
}

function cell(kind: string, row: number, random: () => number): RawCell {
  const pick = <T>(list: readonly T[], otherwise: () => T): T =>
    row < list.length * 2 ? list[row % list.length]! : otherwise();
  switch (kind) {
    case 'bool':
      return random() < 0.5;
    case 'string':
      return pick(texts, () => `v${Math.floor(random() * 60)}`);
    case 'float64':
      return pick(doubles, () => (random() - 0.4) * 10 ** Math.floor(random() * 12 - 4));
    case 'float32':
      return Math.fround(
        pick(
          doubles.filter((value) => Math.abs(value) <= 3.4028234663852886e38),
          () => (random() - 0.4) * 10 ** Math.floor(random() * 12 - 4),
        ),
      );
    default:
      return pick(wholes[kind]!, () => BigInt(Math.floor(random() * 100)));
  }
}
