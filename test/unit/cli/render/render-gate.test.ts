import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { type GateLine, renderGate } from '../../../../cli/render/run-summary.js';

const gate: GateLine = {
  name: 'atLeast(auc)',
  bar: 0.9,
  value: 0.9205,
  interval: { low: 0.9158, high: 0.9247 },
  passed: true,
};
const text = (line: GateLine): string => stripVTControlCharacters(renderGate(line));

describe('renderGate', () => {
  it('shows value, interval and bar', () => {
    expect(text(gate)).toBe('gate      passed  atLeast(auc): 0.9205 [0.9158, 0.9247], bar 0.9000');
  });

  it('shows a dash where a gate has no value', () => {
    expect(text({ ...gate, value: null, interval: null, bar: -1, note: 'no-baseline' })).toBe(
      'gate      passed  atLeast(auc): –, bar -1.000 (no-baseline)',
    );
  });

  it('shows the note alone where there is no bar', () => {
    expect(
      text({
        name: 'version',
        bar: null,
        value: null,
        interval: null,
        passed: false,
        note: 'this version was rejected',
      }),
    ).toBe('gate      missed  version: this version was rejected');
  });
});
