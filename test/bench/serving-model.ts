import type { ModelSignature } from '../../pipelines/contracts/signature.js';
import { type TinyConstant, type TinyNode, tinyOnnx } from '../integration/serving/tiny-onnx.js';

const FEATURES = 20;
const LAYERS = [FEATURES, 64, 32, 1];

export const featureNames = Array.from({ length: FEATURES }, (_, index) => `f${index}`);

export const benchSignature: ModelSignature = {
  formatVersion: 1,
  task: 'binary',
  inputs: featureNames.map((name) => ({
    column: { name, type: { kind: 'float64', nullable: false } },
    dtype: 'float64',
  })),
  outputs: [{ name: 'probability', dtype: 'float32', shape: [null] }],
  labels: ['churned'],
  classes: ['false', 'true'],
  threshold: 0.5,
};

/** Numbers in [-1, 1), the same at every run. */
export function seededNumbers(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** A 20-64-32-1 network with relu and sigmoid over [rows, 20] float32 named `x`; the output is [rows]. */
function perceptron(): { nodes: TinyNode[]; constants: TinyConstant[] } {
  const nodes: TinyNode[] = [];
  const constants: TinyConstant[] = [{ name: 'one', shape: [1], values: BigInt64Array.of(1n) }];
  let last = 'x';
  for (let layer = 1; layer < LAYERS.length; layer++) {
    const [width, units] = [LAYERS[layer - 1]!, LAYERS[layer]!];
    constants.push({ name: `w${layer}`, shape: [width, units], values: seededNumbers(width * units, layer) });
    constants.push({ name: `b${layer}`, shape: [units], values: seededNumbers(units, 10 + layer) });
    nodes.push({ op: 'Gemm', inputs: [last, `w${layer}`, `b${layer}`], output: `h${layer}` });
    nodes.push({ op: layer + 1 < LAYERS.length ? 'Relu' : 'Sigmoid', inputs: [`h${layer}`], output: `a${layer}` });
    last = `a${layer}`;
  }
  nodes.push({ op: 'Squeeze', inputs: [last, 'one'], output: 'probability' });
  return { nodes, constants };
}

const outputs = [{ name: 'probability', dtype: 'float32' }] as const;

/** As Millrace exports: every raw column a named float64 input. */
export function namedModel(): Uint8Array {
  const { nodes, constants } = perceptron();
  const columns = featureNames.flatMap((name): TinyNode[] => [
    { op: 'Unsqueeze', inputs: [name, 'one'], output: `${name}_column` },
  ]);
  return tinyOnnx({
    inputs: featureNames.map((name) => ({ name, dtype: 'float64' })),
    outputs,
    constants,
    nodes: [
      ...columns,
      { op: 'Concat', inputs: featureNames.map((name) => `${name}_column`), output: 'x64', integers: { axis: 1 } },
      { op: 'Cast', inputs: ['x64'], output: 'x', integers: { to: 1 } },
      ...nodes,
    ],
  });
}

/** As a Python service would take it: one float32 matrix, which runs faster. The same weights. */
export function matrixModel(): Uint8Array {
  return tinyOnnx({ inputs: [{ name: 'x', dtype: 'float32', width: FEATURES }], outputs, ...perceptron() });
}
