import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { StatisticsDocument } from '../../pipelines/contracts/training.js';
import { type FitGraph, resolveGraph } from '../../pipelines/network/graph.js';
import type { LoweredProgram, NativeDType } from './addon-types.js';
import { type FeedPlaces, Lowering } from './lower-graph.js';

/** The program that training runs: outputs `loss` and `weight`, one value a row. */
export function trainingProgram(fit: FitGraph, statistics: StatisticsDocument, places: FeedPlaces): LoweredProgram {
  const graph = resolveGraph(fit.graph, statistics.sizes);
  const loss = resolveGraph(fit.loss, statistics.sizes);
  const lowering = new Lowering(statistics.slots, places);
  lowering.registerWeights(graph);
  lowering.registerWeights(loss);
  const lowerLoss = (name: 'loss' | 'weight'): number => {
    const output = loss.outputs[name];
    if (output === undefined) {
      throw new MillraceError('NETWORK_INVALID', {
        path: 'loss',
        expected: `an output '${name}'`,
        received: Object.keys(loss.outputs).join(', '),
      });
    }
    return lowering.lower(loss, 'loss', output, (node) => {
      const input = node.attributes['name'] as string;
      const shape = node.shape.map((dim) => (typeof dim === 'number' ? dim : -1));
      if (input === 'label' || input === 'weight')
        return lowering.push(input, input, [], node.dtype as NativeDType, shape, {});
      const source = graph.outputs[input];
      if (source === undefined) {
        throw new MillraceError('NETWORK_INVALID', {
          path: `loss.${input}`,
          expected: `label, weight or an output of the network (${Object.keys(graph.outputs).join(', ')})`,
          received: `'${input}'`,
        });
      }
      return lowering.lower(graph, 'graph', source, rawInput);
    });
  };
  return lowering.finish({ loss: lowerLoss('loss'), weight: lowerLoss('weight') });
}

/** The program that scoring runs: the named outputs of the network. */
export function scoringProgram(
  fit: FitGraph,
  statistics: StatisticsDocument,
  places: FeedPlaces,
  outputs: readonly string[],
): LoweredProgram {
  const graph = resolveGraph(fit.graph, statistics.sizes);
  const lowering = new Lowering(statistics.slots, places);
  lowering.registerWeights(graph);
  const nodes: Record<string, number> = {};
  for (const name of outputs) {
    const output = graph.outputs[name];
    if (output === undefined) {
      throw new MillraceError('NETWORK_INVALID', {
        path: 'score.outputs',
        expected: `outputs of the network (${Object.keys(graph.outputs).join(', ')})`,
        received: `'${name}'`,
      });
    }
    nodes[name] = lowering.lower(graph, 'graph', output, rawInput);
  }
  return lowering.finish(nodes);
}

function rawInput(node: { readonly name: string }): never {
  throw new MillraceError('NETWORK_INVALID', {
    path: node.name,
    expected: 'a feed column between the raw column and the tensor region',
    received: 'a raw column used in the tensor region',
  });
}
