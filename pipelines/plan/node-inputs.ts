import type { BuildNode } from '../define/build-node.js';

/** What a node reads, by the names that its stage's inputs and unreturned stages take. */
export function inputsOf(node: BuildNode): readonly (readonly [string, BuildNode])[] {
  switch (node.kind) {
    case 'source':
      return [];
    case 'sql':
      return node.datasets.map((dataset, index) => [node.datasets.length === 1 ? 'from' : `from_${index}`, dataset]);
    case 'custom':
      return Object.entries(node.datasets);
    case 'predict':
      return [
        ['model', node.after ?? node.onnx],
        ['rows', node.dataset],
      ];
    case 'split':
      return [['rows', node.dataset]];
    case 'fit':
      return [['data', node.split]];
    case 'exportOnnx':
      return [['model', node.model]];
    case 'evaluate':
      return [
        ['onnx', node.onnx],
        ['data', node.split],
      ];
    case 'register':
      return [
        ['onnx', node.onnx],
        ['report', node.report],
      ];
    case 'gate':
      return [['version', node.version]];
    case 'promote':
      return node.gates.map((gate, index) => [node.gates.length === 1 ? 'gate' : `gate_${index}`, gate]);
    case 'deploy':
      return [['live', node.promotion]];
  }
}
