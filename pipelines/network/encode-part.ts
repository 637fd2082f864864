import type { TensorGraph } from './graph.js';

/**
 * The encode region alone: the nodes that the feed's columns need, renumbered.
 * A new network over the same inputs has the same encode part, so that the feed is reused.
 */
export function encodePart(graph: TensorGraph): TensorGraph {
  const needed = new Set<number>();
  const visit = (index: number): void => {
    if (needed.has(index)) return;
    needed.add(index);
    for (const input of graph.nodes[index]!.inputs) visit(input);
  };
  for (const column of graph.feed) visit(column.node);
  const kept = [...needed].sort((a, b) => a - b);
  const position = new Map(kept.map((index, at) => [index, at]));
  return {
    formatVersion: 1,
    nodes: kept.map((index) => {
      const node = graph.nodes[index]!;
      return { ...node, inputs: node.inputs.map((input) => position.get(input)!) };
    }),
    feed: graph.feed.map((column) => ({ ...column, node: position.get(column.node)! })),
    outputs: {},
  };
}
