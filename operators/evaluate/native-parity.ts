import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { score } from '../../native/ts/train.js';
import type { Artifact } from '../../pipelines/contracts/artifacts.js';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { OperatorContext } from '../../pipelines/contracts/operator.js';
import type { ModelDocument, StatisticsDocument } from '../../pipelines/contracts/training.js';
import type { SplitSpec } from '../../pipelines/plan/relation.js';
import { encodeRows } from '../feed/encode-rows.js';
import type { Predictions } from './metrics/predictions.js';
import { outputValues } from './scored-rows.js';

/** The native model and the rows that the exported one was scored on. */
export interface NativeComparison {
  readonly model: Artifact;
  readonly dataset: Artifact;
  readonly split: SplitSpec;
  readonly predictions: Predictions;
}

export interface NativeParity {
  readonly rows: number;
  readonly largestDifference: number;
}

/**
 * Scores the native model on the test split and finds its largest difference to the exported one: of probabilities, or
 * of predictions in (population) standard deviations of the label in the test split.
 */
export async function compareWithNative(
  context: OperatorContext,
  { model, dataset, split, predictions }: NativeComparison,
): Promise<NativeParity> {
  const document = (await readJson(model, 'model.json')) as ModelDocument;
  const statistics = (await readJson(model, 'statistics.json')) as StatisticsDocument;
  await mkdir(context.scratch, { recursive: true });
  const directory = await mkdtemp(join(context.scratch, 'native-'));
  try {
    const encoded = await encodeRows(context, {
      dataset,
      split,
      part: 'test',
      graph: document.graph.graph,
      label: null,
      statistics,
      directory,
    });
    if (encoded.rows !== predictions.rows) {
      throw new MillraceError('INTERNAL', {
        path: `${context.stage}.parity`,
        expected: `${predictions.rows} encoded test rows`,
        received: String(encoded.rows),
      });
    }
    const { name, width, exported } = outputOf(predictions);
    const outputs = await score(
      {
        fit: document.graph,
        statistics,
        weightsPath: join(model.directory, 'weights.safetensors'),
        feedDirectory: directory,
        shards: encoded.shards.map((shard) => shard.path),
        rows: null,
        outputs: [name],
        threads: context.placement.threads,
        dtype: 'float32',
      },
      context.signal,
    );
    const native = outputValues(outputs, name, predictions.rows * width);
    return { rows: predictions.rows, largestDifference: largestDifference(exported, native, scalesOf(predictions)) };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** @param scales - one for each value of a row. */
export function largestDifference(exported: Float64Array, native: Float64Array, scales: readonly number[]): number {
  let largest = 0;
  for (let i = 0; i < exported.length; i++) {
    const difference = Math.abs(exported[i]! - native[i]!) / scales[i % scales.length]!;
    // NaN from one side alone must not pass as agreement.
    if (Number.isNaN(difference)) return Number.MAX_VALUE;
    if (difference > largest) largest = difference;
  }
  return largest;
}

function outputOf(predictions: Predictions): { name: string; width: number; exported: Float64Array } {
  switch (predictions.task) {
    case 'binary':
      return { name: 'probability', width: 1, exported: predictions.probability };
    case 'multiclass':
      return { name: 'probabilities', width: predictions.classes, exported: predictions.probabilities };
    case 'regression':
      return { name: 'prediction', width: predictions.targets, exported: predictions.prediction };
  }
}

function scalesOf(predictions: Predictions): readonly number[] {
  if (predictions.task !== 'regression') return [1];
  const { rows, targets, label } = predictions;
  return Array.from({ length: targets }, (_, target) => {
    let sum = 0;
    for (let row = 0; row < rows; row++) sum += label[row * targets + target]!;
    let squares = 0;
    for (let row = 0; row < rows; row++) squares += (label[row * targets + target]! - sum / rows) ** 2;
    const deviation = Math.sqrt(squares / rows);
    return deviation > 0 ? deviation : 1;
  });
}

async function readJson(artifact: Artifact, path: string): Promise<unknown> {
  return JSON.parse(await readFile(join(artifact.directory, path), 'utf8')) as unknown;
}
