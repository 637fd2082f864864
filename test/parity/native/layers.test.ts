import { describe, expect, it } from 'vitest';
import { compareLayers, kindsOf } from './compare-layers.js';
import { committedVectors, definedNames } from './vectors.js';

describe('layers against PyTorch', () => {
  const cases = compareLayers(committedVectors);

  it('has vectors for every layer that is defined', () => {
    expect([...new Set(cases.flatMap(({ layers }) => kindsOf(layers)))].sort()).toEqual(
      definedNames('layers', 'defineLayer'),
    );
  });
});
