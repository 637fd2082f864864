import { describe, expect, it } from 'vitest';
import { tensorPrimitives } from '../../../scripts/check-primitives.js';
import { comparePrimitives } from './compare-primitives.js';
import { committedVectors } from './vectors.js';

describe('primitives against PyTorch', () => {
  const cases = comparePrimitives(committedVectors);

  it('has vectors for every primitive of the table', () => {
    expect([...new Set(cases.map(({ op }) => op))].sort()).toEqual(tensorPrimitives().sort());
  });
});
