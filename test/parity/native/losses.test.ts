import { describe, expect, it } from 'vitest';
import { compareLosses } from './compare-losses.js';
import { committedVectors, definedNames } from './vectors.js';

describe('losses against PyTorch', () => {
  const cases = compareLosses(committedVectors);

  it('has vectors for every loss that is defined, with and without the weights of rows', () => {
    for (const weighted of [true, false])
      expect([...new Set(cases.filter((one) => one.weighted === weighted).map(({ kind }) => kind))].sort()).toEqual(
        definedNames('losses', 'defineLoss'),
      );
  });

  it.each(['binaryCrossEntropy', 'categoricalCrossEntropy'])(
    'has vectors for %s with class weights and label smoothing, each alone and both together',
    (kind) => {
      const options = cases.filter((one) => one.kind === kind).map((one) => Object.keys(one.options).sort().join(' '));
      expect([...new Set(options)].sort()).toEqual([
        '',
        'classWeights',
        'classWeights labelSmoothing',
        'labelSmoothing',
      ]);
    },
  );
});
