import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { Json } from '../../pipelines/contracts/json.js';

/** How far an exported model may be from the native one. */
export const parityTolerance = 1e-5;

export interface Parity {
  /** The output that was compared. */
  readonly output: string;
  readonly rows: number;
  /** Largest |exported - native| / max(1, |native|). */
  readonly largest: number;
  readonly tolerance: number;
}

/**
 * Compares an output of the exported model with the native one's, both row-major and in the same order.
 *
 * @throws EXPORT_PARITY - a difference above 1e-5 (absolute up to 1, relative beyond), or another number of values.
 */
export function compareOutputs(
  output: string,
  exported: ArrayLike<number>,
  native: ArrayLike<number>,
  rows: number,
): Parity & { readonly [key: string]: Json } {
  let largest = 0;
  let at = 0;
  for (let i = 0; i < exported.length; i++) {
    const difference = Math.abs(exported[i]! - native[i]!) / Math.max(1, Math.abs(native[i]!));
    if (difference <= largest) continue;
    largest = difference;
    at = i;
    if (Number.isNaN(difference)) break;
  }
  if (largest <= parityTolerance && native.length >= exported.length)
    return { output, rows, largest, tolerance: parityTolerance };
  const row = rows === 0 ? 0 : Math.floor(at / (exported.length / rows));
  throw new MillraceError('EXPORT_PARITY', {
    path: `exportOnnx.${output}`,
    expected: `a difference to the native model of at most ${parityTolerance}`,
    received:
      native.length < exported.length
        ? `${native.length} native values for ${exported.length}`
        : `${largest} at validation row ${row}`,
    hint: 'Report it with the network: the ONNX form of one of its primitives differs.',
    details: { output, row, largest },
  });
}
