import { expect, it } from 'vitest';
import { runGraph } from '../../../native/ts/run-graph.js';
import { type Layer, traceSequence } from '../../../pipelines/network/layers/define-layer.js';
import { Tracer, type Value } from '../../../pipelines/network/tracer.js';
import * as nn from '../../../pipelines/nn.js';
import { float32Tolerance, type NumberTensor, openVectors, relativeError } from './vectors.js';

/** A layer as the vectors write it: its kind and its options. */
type Written = readonly [kind: string, options: Readonly<Record<string, unknown>>];

export interface LayerCase {
  readonly name: string;
  readonly layers: readonly Written[];
  readonly training: boolean;
  readonly outputWidth: number;
  /** Names that the traced graph must have, neither more nor fewer. */
  readonly parameters: readonly string[];
  readonly buffers: readonly string[];
}

const makers: Readonly<Record<string, (options: never) => Layer>> = {
  relu: nn.relu,
  leakyRelu: nn.leakyRelu,
  elu: nn.elu,
  gelu: nn.gelu,
  silu: nn.silu,
  sigmoid: nn.sigmoid,
  tanh: nn.tanh,
  softplus: nn.softplus,
  dense: ({ units, activation, ...options }: { units: number; activation?: nn.ActivationName }) =>
    nn.dense(units, activation, options),
  output: nn.output,
  dropout: ({ rate }: { rate: number }) => nn.dropout(rate),
  batchNorm: nn.batchNorm,
  layerNorm: nn.layerNorm,
  embedding: nn.embedding,
  concatenate: ({ branches }: { branches: readonly (readonly Written[])[] }) =>
    nn.concatenate(...branches.map((branch) => nn.network(...branch.map(makeLayer)))),
  residual: ({ layers }: { layers: readonly Written[] }) => nn.residual(...layers.map(makeLayer)),
};

function makeLayer([kind, options]: Written): Layer {
  const maker = makers[kind];
  if (maker === undefined) throw new Error(`no maker of the layer '${kind}'`);
  return maker(options as never);
}

/** The kinds in a case, those inside others too. */
export function kindsOf(layers: readonly Written[]): readonly string[] {
  return layers.flatMap(([kind, options]) => [
    kind,
    ...(typeof options['activation'] === 'string' ? [options['activation']] : []),
    ...kindsOf((options['layers'] ?? []) as Written[]),
    ...((options['branches'] ?? []) as Written[][]).flatMap(kindsOf),
  ]);
}

/** A test for each layer vector of the directory; returns the cases. */
export function compareLayers(directory: string): readonly LayerCase[] {
  const { cases, tensor } = openVectors<LayerCase>(directory, 'layers');
  it.each(cases.map((vector) => [vector.name, vector] as const))(
    'computes output and gradients of the layer %s',
    (name, vector) => {
      const named = (part: string, keys: readonly string[]): Record<string, NumberTensor> =>
        Object.fromEntries(keys.map((key) => [key, tensor(`${name}:${part}:${key}`)]));
      const x = tensor(`${name}:x`);
      const isTrained = x.dtype === 'float32';
      const tracer = new Tracer();
      const input = isTrained
        ? tracer.parameter('/x', x.shape, { kind: 'zeros' })
        : tracer.input('x', x.dtype, x.shape);
      const out = traceSequence(tracer, vector.layers.map(makeLayer), input, vector.outputWidth, 'network');
      const cotangent: Value = tracer.input('cotangent', 'float32', tensor(`${name}:cotangent`).shape);
      const graph = tracer.finish({ out, objective: tracer.apply('multiply', [out, cotangent]) });
      const leaves = (op: 'parameter' | 'buffer'): readonly unknown[] =>
        graph.nodes.filter((node) => node.op === op).map((node) => node.attributes['name']);
      expect(leaves('parameter')).toEqual([...(isTrained ? ['x'] : []), ...vector.parameters]);
      expect(leaves('buffer')).toEqual(vector.buffers);
      const result = runGraph({
        graph,
        inputs: { cotangent: tensor(`${name}:cotangent`), ...(isTrained ? {} : { x }) },
        parameters: { ...named('parameter', vector.parameters), ...(isTrained ? { x } : {}) },
        buffers: named('before', vector.buffers),
        slots: {},
        mode: vector.training ? 'training' : 'evaluation',
        dtype: 'float32',
        seed: 1,
        step: 0,
        outputs: ['out'],
        objective: 'objective',
      });
      expect(relativeError(result.outputs['out']!, tensor(`${name}:out`)), 'output').toBeLessThanOrEqual(
        float32Tolerance,
      );
      const gradients = named('grad', [...vector.parameters, ...(isTrained ? ['x'] : [])]);
      for (const [key, gradient] of Object.entries(gradients))
        expect(relativeError(result.gradients[key]!, gradient), `gradient of ${key}`).toBeLessThanOrEqual(
          float32Tolerance,
        );
      for (const [key, after] of Object.entries(named('after', vector.buffers)))
        expect(relativeError(result.buffers[key]!, after), key).toBeLessThanOrEqual(float32Tolerance);
    },
  );
  return cases;
}
