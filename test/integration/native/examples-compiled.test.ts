import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type WritableTensor, writeSafetensors } from '../../../native/ts/safetensors.js';
import { trainInProcess } from '../../../native/ts/train-in-process.js';
import type { TrainEvent } from '../../../native/ts/train-types.js';
import { resolveFit } from '../../../operators/fit/fit-operator.js';
import type {
  FeedMeta,
  ResolvedTraining,
  SlotValue,
  StatisticsDocument,
} from '../../../pipelines/contracts/training.js';
import type { Pipeline } from '../../../pipelines/index.js';
import type { FitGraph, SlotSpec } from '../../../pipelines/network/graph.js';
import { compilePlan } from '../../../pipelines/plan/compile.js';
import { tabularRequest, temporaryFolder } from './tabular-fixture.js';

const folder = fileURLToPath(new URL('../../../examples', import.meta.url));
const examples = readdirSync(folder).filter((name) => existsSync(join(folder, name, 'pipeline.ts')));
const rows = 64;
/** Of every list of statistics: edges, vocabularies, classes. */
const listLength = 4;

/** Statistics as they could be: numbers that ascend. */
function statisticsOf(slots: readonly SlotSpec[]): StatisticsDocument {
  const filled = ({ dtype, size }: SlotSpec): SlotValue => {
    const numbers = Array.from({ length: size === null ? 1 : listLength }, (_, index) => index + 1);
    const shape = size === null ? [] : [listLength];
    if (dtype === 'float64') return { dtype, shape, values: numbers };
    return { dtype, shape, values: numbers.map(String) };
  };
  return {
    formatVersion: 1,
    slots: Object.fromEntries(slots.map((slot) => [slot.name, filled(slot)])),
    sizes: Object.fromEntries(slots.flatMap(({ size }) => (size === null ? [] : [[size, listLength]]))),
    rows: { train: rows, validation: rows, test: rows },
    classes: ['a', 'b', 'c', 'd'],
  };
}

function writeFeed(directory: string, fit: FitGraph): FeedMeta {
  mkdirSync(directory, { recursive: true });
  const columnsOf = (dtype: 'float32' | 'int64'): string[] =>
    fit.graph.feed.filter((column) => column.dtype === dtype).map(({ name }) => name);
  const [floats, indices] = [columnsOf('float32'), columnsOf('int64')];
  const labels = fit.task.kind === 'regression' ? fit.task.labels.length : 0;
  const numbers = (count: number) => Float32Array.from({ length: count }, (_, index) => (index % 7) / 7);
  const tensors: Record<string, WritableTensor> = {
    ...(floats.length > 0
      ? { float: { dtype: 'float32', shape: [rows, floats.length], data: numbers(rows * floats.length) } }
      : {}),
    ...(indices.length > 0
      ? { index: { dtype: 'int32', shape: [rows, indices.length], data: new Int32Array(rows * indices.length) } }
      : {}),
    label:
      fit.task.kind === 'multiclass'
        ? { dtype: 'int32', shape: [rows], data: new Int32Array(rows) }
        : {
            dtype: 'float32',
            shape: labels === 0 ? [rows] : [rows, labels],
            data: numbers(rows * Math.max(1, labels)),
          },
  };
  const path = 'all.safetensors';
  writeSafetensors(join(directory, path), tensors);
  const part = { rows, shards: [{ path, rows }] };
  return { floats, indices, hasWeight: false, targets: Math.max(1, labels), splits: { train: part, validation: part } };
}

describe('the examples', () => {
  it.each(examples)('train with the compiled step: %s', async (name) => {
    const { default: pipeline } = (await import(`../../../examples/${name}/pipeline.ts`)) as {
      readonly default: Pipeline;
    };
    const plan = compilePlan(pipeline, {}, () => null);
    const stage = plan.stages.find(({ operator }) => operator === 'fit');
    const options = stage?.options as unknown as { readonly fit: FitGraph; readonly training: ResolvedTraining };
    const statistics = statisticsOf(options.fit.slots);
    const scratch = temporaryFolder();
    const fit = resolveFit(options.fit, statistics);
    const feed = writeFeed(join(scratch, 'feed'), fit);
    const training = { ...options.training, maxEpochs: 1, batchSize: rows };
    const request = tabularRequest(scratch, feed, 'run', { fit, statistics, training, gradientShards: 1 });
    const events: TrainEvent[] = [];
    await trainInProcess(request, (event) => events.push(event)).promise;
    expect(events[0]).toMatchObject({ kind: 'started', compiled: true });
  });
});
