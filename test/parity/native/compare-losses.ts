import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runGraph } from '../../../native/ts/run-graph.js';
import { encodeRows } from '../../../operators/feed/encode-rows.js';
import { readDataset } from '../../../operators/split/read-dataset.js';
import { computeStatistics } from '../../../operators/statistics/statistics-operator.js';
import type { FitSource } from '../../../pipelines/network/fit-source.js';
import { type FitGraph, resolveGraph, type TensorGraph } from '../../../pipelines/network/graph.js';
import type { Loss } from '../../../pipelines/network/losses/loss.js';
import { traceFit } from '../../../pipelines/network/trace-fit.js';
import * as nn from '../../../pipelines/nn.js';
import type { Column } from '../../../pipelines/types/column-type.js';
import { type Fixture, openFixture } from '../../integration/operators/feed/feed-fixture.js';
import { readShards } from '../../integration/operators/feed/read-safetensors.js';
import { float32Tolerance, type NumberTensor, openVectors, relativeError, type Tensor } from './vectors.js';

export interface LossCase {
  readonly name: string;
  readonly kind: string;
  readonly task: 'binary' | 'multiclass' | 'regression';
  readonly options: Readonly<Record<string, unknown>>;
  /** Whether rows have weights of their own. */
  readonly weighted: boolean;
}

const makers: Readonly<Record<string, (options: never) => Loss>> = {
  binaryCrossEntropy: nn.binaryCrossEntropy,
  categoricalCrossEntropy: nn.categoricalCrossEntropy,
  meanSquaredError: nn.meanSquaredError,
  meanAbsoluteError: nn.meanAbsoluteError,
  huber: nn.huber,
};

/** A test for each loss vector of the directory; returns the cases. */
export function compareLosses(directory: string): readonly LossCase[] {
  const { cases, tensor } = openVectors<LossCase>(directory, 'losses');
  let fixture: Fixture;
  beforeAll(async () => {
    fixture = await openFixture();
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  it.each(cases.map((vector) => [vector.name, vector] as const))(
    'computes the rows and the gradient of the loss %s',
    async (name, vector) => {
      const prediction = tensor(`${name}:prediction`);
      const { fit, label, weight } =
        vector.task === 'regression'
          ? {
              fit: traceRegression(vector, prediction.shape[1]!),
              label: tensor(`${name}:label`),
              weight: tensor(`${name}:weight`),
            }
          : await encodeClasses(fixture, vector, (key) => tensor(`${name}:${key}`), cases.indexOf(vector));
      const input = vector.task === 'regression' ? 'scaled' : 'logits';
      const result = runGraph({
        graph: differentiated(fit.loss, input, prediction.shape),
        inputs: { label, weight },
        parameters: { [input]: prediction },
        buffers: {},
        slots: {},
        mode: 'training',
        dtype: 'float32',
        seed: 1,
        step: 0,
        outputs: ['loss', 'weight'],
        objective: 'loss',
      });
      const error = (ours: NumberTensor, key: string): number => relativeError(ours, tensor(`${name}:${key}`));
      expect(error(result.outputs['weight']!, 'whole'), 'weight').toBeLessThanOrEqual(float32Tolerance);
      expect(error(result.outputs['loss']!, 'loss'), 'loss').toBeLessThanOrEqual(float32Tolerance);
      expect(error(result.gradients[input]!, 'grad'), 'gradient').toBeLessThanOrEqual(float32Tolerance);
    },
  );
  return cases;
}

function lossOf({ kind, options }: LossCase): Loss {
  const maker = makers[kind];
  if (maker === undefined) throw new Error(`no maker of the loss '${kind}'`);
  return maker(options as never);
}

const float64 = (name: string): Column => ({ name, type: { kind: 'float64', nullable: false } });

function traceRegression(vector: LossCase, targets: number): FitGraph {
  const labels = Array.from({ length: targets }, (_, i) => `y${i}`);
  const loss = lossOf(vector);
  const source = { columns: [float64('x'), ...labels.map(float64)], label: labels, weight: null };
  const shape = { task: vector.task, inputs: { x: nn.passthrough() }, network: nn.network(nn.output()), loss };
  return traceFit({ ...source, ...shape } as FitSource);
}

/** Label and weight go the whole way of a fit: a written dataset, and the label's encode region in SQL. */
async function encodeClasses(
  fixture: Fixture,
  vector: LossCase,
  tensor: Tensor,
  index: number,
): Promise<{ readonly fit: FitGraph; readonly label: NumberTensor; readonly weight: NumberTensor }> {
  const weights = tensor('weight').data;
  const classes = Array.from(tensor('label').data, Number);
  const rows = classes.map((label, row) => {
    const shown = vector.task === 'binary' ? String(label === 1) : `'c${label}'`;
    return `(${row}, 0.5::DOUBLE, ${shown}, ${weights[row]}::DOUBLE`;
  });
  const parts = ['train', 'validation'].flatMap((part) => rows.map((row) => `${row}, '${part}')`));
  const dataset = await fixture.dataset(
    `SELECT * FROM (VALUES ${parts.join(', ')}) t(id, x, y, w, part) ORDER BY part, id`,
    { required: ['w'] },
  );
  const { columns } = dataset.manifest.meta as unknown as { columns: readonly Column[] };
  const fit = traceFit({
    columns,
    label: 'y',
    task: vector.task,
    inputs: { x: nn.passthrough() },
    network: nn.network(nn.output()),
    loss: lossOf(vector),
    weight: vector.weighted ? 'w' : null,
  } as FitSource);
  const split = { kind: 'column', column: 'part', validation: null } as const;
  const { document } = await computeStatistics(fixture.context(), readDataset(dataset), {
    split,
    slots: [...fit.slots],
    label: { columns: ['y'], task: vector.task },
    inputs: ['x'],
  });
  const directory = join(fixture.directory, `loss-${index}`);
  mkdirSync(directory);
  const { shards } = await encodeRows(fixture.context(), {
    dataset,
    split,
    part: 'train',
    graph: fit.graph,
    label: fit.label,
    statistics: document,
    directory,
  });
  const feed = await readShards(shards.map(({ path }) => join(directory, path)));
  const shape = [rows.length];
  return {
    fit: { ...fit, loss: resolveGraph(fit.loss, document.sizes) },
    label:
      vector.task === 'binary'
        ? { dtype: 'float32', shape, data: Float32Array.from(feed['label']!) }
        : { dtype: 'int64', shape, data: BigInt64Array.from(feed['label']!, BigInt) },
    // Rows without weights have none in the feed; the trainer reads 1.
    weight: { dtype: 'float32', shape, data: Float32Array.from(feed['weight'] ?? rows.map(() => 1)) },
  };
}

/** The graph with the prediction as a parameter, so that it has a gradient. */
function differentiated(graph: TensorGraph, prediction: string, shape: readonly number[]): TensorGraph {
  return {
    ...graph,
    nodes: graph.nodes.map((node) =>
      node.op === 'input' && node.attributes['name'] === prediction
        ? { ...node, shape, op: 'parameter' as const, attributes: { name: prediction, initializer: { kind: 'zeros' } } }
        : node,
    ),
  };
}
