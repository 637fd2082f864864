import { describe, expect, it } from 'vitest';
import { embed, type Input, oneHot, passthrough, standardize } from '../../pipelines/define/inputs.js';

/** Compiled by `tsc -p .`: a line that stops being an error fails there. */
describe('types of inputs', () => {
  it('fit columns of the kinds that they take, and of no other', () => {
    const number: Input<'int32'> = standardize();
    const flag: Input<'bool'> = passthrough();
    const text: Input<'string'> = embed({ dimension: 2 });
    const either: Input<'string'> | Input<'bool'> = oneHot();
    // @ts-expect-error Type 'Standardize' is not assignable to type 'Input<"string">'.
    const wrong: Input<'string'> = standardize();
    // @ts-expect-error An embedding has a dimension.
    const incomplete = (): Input<'string'> => embed({});
    expect([number, flag, text, either, wrong].map((input) => input.kind)).toEqual([
      'standardize',
      'passthrough',
      'embed',
      'oneHot',
      'standardize',
    ]);
    expect(typeof incomplete).toBe('function');
  });

  it('know at run time what they take', () => {
    expect(standardize().accepts('int64')).toBe(true);
    expect(embed({ dimension: 2 }).accepts('bool')).toBe(true);
    expect(embed({ dimension: 2 }).kinds).not.toContain('float64');
  });
});
