import { expect, it } from 'vitest';
import { runGraph } from '../../../native/ts/run-graph.js';
import type { AttributeValue } from '../../../pipelines/network/graph.js';
import type { Primitive } from '../../../pipelines/network/primitives.js';
import { Tracer, type Value } from '../../../pipelines/network/tracer.js';
import { float32Tolerance, type NumberTensor, openVectors, relativeError, type Tensor } from './vectors.js';

export interface PrimitiveCase {
  readonly name: string;
  readonly op: Primitive;
  readonly attributes: Record<string, AttributeValue>;
  readonly inputs: number;
  readonly buffers: number;
  /** Positions of the inputs that have a gradient. */
  readonly trained: readonly number[];
  readonly training: boolean;
}

/** A test for each primitive vector of the directory; returns the cases. */
export function comparePrimitives(directory: string): readonly PrimitiveCase[] {
  const { cases, tensor } = openVectors<PrimitiveCase>(directory, 'primitives');
  it.each(cases.map((vector) => [vector.name, vector] as const))(
    'computes value and gradients of %s',
    (name, vector) => {
      const result = runCase(vector, tensor);
      expect(relativeError(result.outputs['out']!, tensor(`${name}/out`))).toBeLessThanOrEqual(float32Tolerance);
      for (const i of vector.trained) {
        const error = relativeError(result.gradients[`in${i}`]!, tensor(`${name}/grad${i}`));
        expect(error, `gradient ${i}`).toBeLessThanOrEqual(float32Tolerance);
      }
      for (let i = 0; i < vector.buffers; i++) {
        const error = relativeError(result.buffers[`b${i}`]!, tensor(`${name}/after${i}`));
        expect(error, `buffer ${i}`).toBeLessThanOrEqual(float32Tolerance);
      }
    },
  );
  return cases;
}

function runCase(vector: PrimitiveCase, tensor: Tensor): ReturnType<typeof runGraph> {
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
