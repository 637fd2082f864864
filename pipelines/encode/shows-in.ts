import type { GraphNode, TensorGraph } from '../network/graph.js';

/**
 * Whether NaN or infinity in the raw column at `input` gives NaN or infinity at `index` in every such row, so that it
 * is enough to look at the result.
 */
export function showsIn(graph: TensorGraph, index: number, input: number): boolean {
  if (index === input) return true;
  const node = graph.nodes[index]!;
  const [a, b, c] = node.inputs;
  switch (node.op) {
    case 'cast':
      return String(node.attributes['to']).startsWith('float') && showsIn(graph, a!, input);
    case 'add':
    case 'subtract':
    case 'multiply':
      return (
        (showsIn(graph, a!, input) && isPlainScalar(graph.nodes[b!]!)) ||
        (showsIn(graph, b!, input) && isPlainScalar(graph.nodes[a!]!))
      );
    case 'divide':
      return showsIn(graph, a!, input) && isPlainScalar(graph.nodes[b!]!);
    case 'negate':
    case 'abs':
    case 'sqrt':
    case 'log1p':
      return showsIn(graph, a!, input);
    case 'where':
      // Only a missing row takes the other branch, and NaN in SQL is not missing.
      return graph.nodes[a!]!.op === 'isMissing' && graph.nodes[a!]!.inputs[0] === input && showsIn(graph, c!, input);
    default:
      return false;
  }
}

/** A finite number that is not 0: infinity times it is not hidden. Slots are finite; a mean of 0 is only added. */
function isPlainScalar(node: GraphNode): boolean {
  return (
    node.op === 'slot' ||
    (node.op === 'constant' &&
      Number(node.attributes['value']) !== 0 &&
      Number.isFinite(Number(node.attributes['value'])))
  );
}
