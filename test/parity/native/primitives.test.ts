import { describe, expect, it } from 'vitest';
import { loadAddon } from '../../../native/ts/load-addon.js';
import { runGraph } from '../../../native/ts/run-graph.js';
import type { AttributeValue } from '../../../pipelines/network/graph.js';
import type { Primitive } from '../../../pipelines/network/primitives.js';
import { Tracer, type Value } from '../../../pipelines/network/tracer.js';
import { type NumberTensor, openVectors, relativeError } from './vectors.js';

interface PrimitiveCase {
  readonly name: string;
  readonly op: Primitive;
  readonly attributes: Record<string, AttributeValue>;
  readonly inputs: number;
  readonly buffers: number;
  /** Positions of the inputs that have a gradient. */
  readonly trained: readonly number[];
  readonly training: boolean;
}

const { cases, tensor } = openVectors<PrimitiveCase>('primitives');

/** float32 sums of some ten terms: a few ulp of the largest value. */
const tolerance = 1e-5;

function runCase(vector: PrimitiveCase): ReturnType<typeof runGraph> {
  const tracer = new Tracer();
  const inputs: Record<string, NumberTensor> = {};
  const parameters: Record<string, NumberTensor> = {};
  const buffers: Record<string, NumberTensor> = {};
  const values: Value[] = [];
  for (let i = 0; i < vector.inputs; i++) {
    const value = tensor(`${vector.name}/in${i}`);
    const name = `in${i}`;
    if (vector.trained.includes(i)) {
      parameters[name] = value;
      values.push(tracer.parameter(name, value.shape, { kind: 'zeros' }));
    } else {
      inputs[name] = value;
      values.push(tracer.input(name, value.dtype, value.shape));
    }
  }
  for (let i = 0; i < vector.buffers; i++) {
    buffers[`b${i}`] = tensor(`${vector.name}/buffer${i}`);
    values.push(tracer.buffer(`b${i}`, buffers[`b${i}`]!.shape, 0));
  }
  const out = tracer.apply(vector.op, values, vector.attributes);
  const outputs: Record<string, Value> = { out };
  if (vector.trained.length > 0) {
    inputs['cotangent'] = tensor(`${vector.name}/cotangent`);
    const cotangent = tracer.input('cotangent', out.dtype, inputs['cotangent'].shape);
    outputs['objective'] = tracer.apply('multiply', [out, cotangent]);
  }
  return runGraph({
    graph: tracer.finish(outputs),
    inputs,
    parameters,
    buffers,
    slots: {},
    mode: vector.training ? 'training' : 'evaluation',
    dtype: 'float32',
    seed: 1,
    step: 0,
    outputs: ['out'],
    objective: vector.trained.length > 0 ? 'objective' : null,
  });
}

describe('primitives against PyTorch', () => {
  it('has vectors for every primitive that the addon runs', () => {
    expect([...new Set(cases.map(({ op }) => op))].sort()).toEqual(loadAddon().version().primitives);
  });

  it.each(cases.map((vector) => [vector.name, vector] as const))(
    'computes value and gradients of %s',
    (name, vector) => {
      const result = runCase(vector);
      expect(relativeError(result.outputs['out']!, tensor(`${name}/out`))).toBeLessThanOrEqual(tolerance);
      for (const i of vector.trained) {
        expect(
          relativeError(result.gradients[`in${i}`]!, tensor(`${name}/grad${i}`)),
          `gradient ${i}`,
        ).toBeLessThanOrEqual(tolerance);
      }
      for (let i = 0; i < vector.buffers; i++) {
        expect(relativeError(result.buffers[`b${i}`]!, tensor(`${name}/after${i}`)), `buffer ${i}`).toBeLessThanOrEqual(
          tolerance,
        );
      }
    },
  );
});
