import { type Dim, type GraphNode, resolveDim, type TensorGraph } from '../../pipelines/network/graph.js';

/** A shard is worth a thread's while from here on. */
const minimumFlop = 64e6;
const minimumRows = 8;
const minimumRowsWithBatchNorm = 32;
const maximumShards = 16;

/**
 * Into how many contiguous shards a batch is cut: the largest power of two, at most 16, with which a shard keeps at
 * least 64 MFLOP (forward and backward) and 8 rows, 32 where the graph has batch norm. A function of graph and batch
 * size alone, so that it may be in a key.
 */
export function resolveGradientShards(
  graph: TensorGraph,
  sizes: Readonly<Record<string, number>>,
  batchSize: number,
): number {
  const flop = flopPerRow(graph, sizes) * batchSize;
  const rows = graph.nodes.some((node) => node.op === 'batchNorm') ? minimumRowsWithBatchNorm : minimumRows;
  let shards = 1;
  while (shards < maximumShards && flop / (shards * 2) >= minimumFlop && Math.floor(batchSize / (shards * 2)) >= rows)
    shards *= 2;
  return shards;
}

/** Multiplications and additions of the products, forward and backward: 2 a weight forward, 2 for its gradient, 2 for the input's where something is trained before it. */
export function flopPerRow(graph: TensorGraph, sizes: Readonly<Record<string, number>>): number {
  const trained: boolean[] = [];
  let flop = 0;
  for (const [index, node] of graph.nodes.entries()) {
    trained[index] = node.op === 'parameter' || node.inputs.some((input) => trained[input]);
    const weight = productWeight(graph, node);
    if (weight === null) continue;
    const product = weight.shape.reduce<number>((count, dim) => count * size(dim, sizes), 1);
    flop += product * (trained[node.inputs[0]!] ? 6 : 4);
  }
  return flop;
}

function productWeight(graph: TensorGraph, node: GraphNode): GraphNode | null {
  return node.op === 'linear' || node.op === 'matmul' ? graph.nodes[node.inputs[1]!]! : null;
}

function size(dim: Dim, sizes: Readonly<Record<string, number>>): number {
  const known = resolveDim(dim, sizes);
  return typeof known === 'number' ? known : 1;
}
