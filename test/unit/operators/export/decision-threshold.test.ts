import { describe, expect, it } from 'vitest';
import { decisionThreshold } from '../../../../operators/export/decision-threshold.js';

describe('decisionThreshold', () => {
  it('lies half-way between the last row that counts and the next', () => {
    expect(decisionThreshold([0.9, 0.7, 0.3, 0.1], [true, true, false, false])).toBe(0.5);
  });

  it('maximizes F1 where classes overlap', () => {
    // Cuts after 1, 2, 3, 4 rows have F1 = 2/4, 2/5, 4/6, 6/7.
    expect(decisionThreshold([0.8, 0.6, 0.5, 0.2], [true, false, true, true])).toBe(0.2);
  });

  it('keeps rows of one probability together', () => {
    expect(decisionThreshold([0.5, 0.5, 0.5, 0.1], [true, false, true, false])).toBe(0.3);
  });

  it('takes the highest of equal ones', () => {
    expect(decisionThreshold([0.9, 0.5, 0.4, 0.3], [true, false, false, true])).toBeCloseTo(0.7, 15);
  });

  it('says nothing without a positive row', () => {
    expect(decisionThreshold([0.1, 0.9], [false, false])).toBeNull();
    expect(decisionThreshold([], [])).toBeNull();
  });

  it('takes every row where all are positive, and one row alone', () => {
    expect(decisionThreshold([0.2, 0.4], [true, true])).toBe(0.2);
    expect(decisionThreshold([0.2], [true])).toBe(0.2);
  });
});
