import { describe, expect, it } from 'vitest';
import { compareOutputs } from '../../../../operators/export/parity.js';

function messageOf(exported: number[], native: number[], rows: number): string {
  try {
    compareOutputs('probabilities', exported, native, rows);
  } catch (error) {
    expect(error).toMatchObject({ code: 'EXPORT_PARITY' });
    return (error as Error).message;
  }
  return '';
}

const hint = 'Report it with the network: the ONNX form of one of its primitives differs.';

describe('compareOutputs', () => {
  it('records the largest difference, relative beyond 1', () => {
    expect(compareOutputs('scaled', [0.5, 100], [0.500001, 100.0005], 2)).toEqual({
      output: 'scaled',
      rows: 2,
      largest: expect.closeTo(5e-6, 8),
      tolerance: 1e-5,
    });
    expect(compareOutputs('scaled', [], [], 0)).toMatchObject({ largest: 0 });
  });

  it('refuses a difference above the tolerance and names the row', () => {
    expect(messageOf([0.5, 0.5, 0.25, 0.75], [0.5, 0.5, 0.5, 0.5], 2)).toBe(
      `exportOnnx.probabilities: expected a difference to the native model of at most 0.00001; received 0.25 at validation row 1. ${hint}`,
    );
  });

  it('refuses NaN on either side', () => {
    expect(messageOf([0.5, Number.NaN], [0.5, 0.5], 2)).toContain('received NaN at validation row 1.');
    expect(messageOf([0.5, 0.5], [Number.NaN, 0.5], 2)).toContain('received NaN at validation row 0.');
  });

  it('refuses fewer native values', () => {
    expect(messageOf([0.5, 0.5], [0.5], 2)).toContain('received 1 native values for 2.');
  });
});
