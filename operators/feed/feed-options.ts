import { z } from 'zod';
import type { TensorGraph } from '../../pipelines/network/graph.js';
import { splitSchema } from '../split/split-options.js';

/** Graphs are traced by ours while the plan is compiled, and checked there. */
const graph = z.custom<TensorGraph>(
  (value) => typeof value === 'object' && value !== null && 'nodes' in value && 'feed' in value,
  'a traced graph',
);

export const feedOptions = z.strictObject({
  split: splitSchema,
  /** The encode region of the network's graph. */
  graph,
  label: graph,
});

export type FeedOptions = z.output<typeof feedOptions>;
