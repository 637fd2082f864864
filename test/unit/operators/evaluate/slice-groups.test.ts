import { describe, expect, it } from 'vitest';
import { groupRows } from '../../../../operators/evaluate/slice-groups.js';

describe('groupRows', () => {
  it('groups by value, most rows first, the missing ones among them', () => {
    const { groups, omitted } = groupRows(['a', null, 'b', 'b', null, null], 'string');
    expect(groups.map(({ value, rows }) => [value, [...rows]])).toEqual([
      [null, [1, 4, 5]],
      ['b', [2, 3]],
      ['a', [0]],
    ]);
    expect(omitted).toEqual({ values: 0, rows: 0 });
  });

  it('leaves out values beyond the 50 with the most rows and counts them', () => {
    const cells = Array.from({ length: 60 }, (_, i) => `value ${String(i).padStart(2, '0')}`);
    const { groups, omitted } = groupRows([...cells, 'value 59'], 'string');
    expect(groups).toHaveLength(50);
    expect(groups[0]!.value).toBe('value 59');
    expect(omitted).toEqual({ values: 10, rows: 10 });
  });

  it('keeps a number with few values as it is', () => {
    expect(groupRows(['2', '1', '2'], 'int32').groups.map(({ value }) => value)).toEqual(['2', '1']);
  });

  it('cuts a number with many values into five groups in ascending order, missing ones last', () => {
    const cells = [...Array.from({ length: 100 }, (_, i) => String((i * 37) % 100)), null];
    const { groups } = groupRows(cells, 'float64');
    expect(groups.map(({ value, rows }) => [value, rows.length])).toEqual([
      ['0 to 19', 20],
      ['20 to 39', 20],
      ['40 to 59', 20],
      ['60 to 79', 20],
      ['80 to 99', 20],
      [null, 1],
    ]);
  });

  it('gives a value that holds most rows a group of its own', () => {
    const cells = [...new Array<string>(900).fill('0'), ...Array.from({ length: 100 }, (_, i) => String(i + 1))];
    const { groups } = groupRows(cells, 'int64');
    expect(groups[0]).toMatchObject({ value: '0' });
    expect(groups.reduce((sum, { rows }) => sum + rows.length, 0)).toBe(1000);
  });

  it('has no group without rows', () => {
    expect(groupRows([], 'string').groups).toEqual([]);
  });
});
