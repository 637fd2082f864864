import { z } from 'zod';
import type { NumberKind } from '../../types/column-type.js';
import type { Value } from '../tracer.js';
import { defineInput, type Input } from './define-input.js';
import { checkMissing, type MissingNumbers, missingSchema, numberKinds } from './missing.js';
import type { RawColumn } from './raw-column.js';
import { standardized } from './standardize.js';

export interface PiecewiseLinear extends Input<NumberKind> {}

export interface PiecewiseLinearOptions {
  /** Quantile bins of the train split; equal quantiles become one edge. */
  readonly bins: number;
  readonly missing?: MissingNumbers;
}

/** The largest finite float32: a plan is JSON and holds no infinity. */
const unbounded = 3.4028234663852886e38;

const input = defineInput({
  name: 'piecewiseLinear',
  kinds: numberKinds,
  options: z.strictObject({ bins: z.int().min(1).max(1_024), missing: missingSchema }),
  check: ({ missing }, column, path) => checkMissing(missing, column, path),
  encode: (raw, { bins, missing }) => ({
    numbers: missing === 'indicator' ? raw.indicator() : {},
    widened: { '': raw.cast(standardized(raw), 'float32') },
    widen: (_tracer, values) => piecewise(raw, values['']!, bins),
  }),
});

/**
 * Piecewise linear encoding with quantile bins (Gorishniy et al. 2022, "On Embeddings for Numerical Features in
 * Tabular Deep Learning"): for the bin from a to b, (x - a) / (b - a), at least 0 except in the first bin and at
 * most 1 except in the last one. The feed holds the standardized number as float32; edges are standardized alike.
 * A missing number takes the mean; a nullable column gets an indicator by default.
 *
 * Shapes: [batch] to float32 [batch, distinct quantiles - 1].
 */
export function piecewiseLinear(options: PiecewiseLinearOptions): PiecewiseLinear {
  return input(options);
}

/**
 * In the tensor region: edges and their bounds depend on slots alone; z is [batch].
 * A bin's lower bound is 0 and its upper bound 1, but for the first bin's lower and the last one's upper.
 */
function piecewise(raw: RawColumn, z: Value, bins: number): Value {
  const { tracer } = raw;
  const edges = raw.list('edges', { kind: 'quantiles', bins }, 'float64').value;
  const a = tracer.apply('slice', [edges], { axis: 0, skipFirst: 0, skipLast: 1 });
  const b = tracer.apply('slice', [edges], { axis: 0, skipFirst: 1, skipLast: 0 });
  const number = (value: number): Value => tracer.constant(value, 'float32');
  const isInner = (left: Value, right: Value): Value => tracer.apply('greater', [left, right]);
  const least = tracer.apply('where', [
    isInner(a, raw.statistic('minimum', { kind: 'minimum' })),
    number(0),
    number(-unbounded),
  ]);
  const most = tracer.apply('where', [
    isInner(raw.statistic('maximum', { kind: 'maximum' }), b),
    number(1),
    number(unbounded),
  ]);
  const scaled = (edge: Value): Value => {
    const centered = tracer.apply('subtract', [edge, raw.statistic('mean', { kind: 'mean', transform: 'none' })]);
    return raw.cast(
      tracer.apply('divide', [
        centered,
        raw.statistic('standardDeviation', { kind: 'standardDeviation', transform: 'none' }),
      ]),
      'float32',
    );
  };
  const from = scaled(a);
  // Distinct edges may round to one float32: the bin then is a step.
  const width = tracer.apply('maximum', [tracer.apply('subtract', [scaled(b), from]), number(1e-12)]);
  const ratio = tracer.apply('divide', [
    tracer.apply('subtract', [tracer.apply('expandDims', [z], { axis: 1 }), from]),
    width,
  ]);
  return tracer.apply('maximum', [tracer.apply('minimum', [ratio, most]), least]);
}
