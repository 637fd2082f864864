import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { resolveGradientShards } from '../../native/ts/gradient-shards.js';
import { train } from '../../native/ts/train.js';
import { defineOperator } from '../../pipelines/contracts/operator.js';
import type { FeedMeta, ModelDocument, StatisticsDocument } from '../../pipelines/contracts/training.js';
import { trainingSchema } from '../../pipelines/define/training-options.js';
import { type FitGraph, resolveGraph } from '../../pipelines/network/graph.js';
import { canonicalJson } from '../../pipelines/plan/digest.js';
import { LearningCurve } from './learning-curve.js';
import { openTrainingLogs } from './training-logs.js';

const options = z.strictObject({
  fit: z.custom<FitGraph>((value) => typeof value === 'object' && value !== null && 'graph' in value, 'a traced graph'),
  training: trainingSchema,
  device: z.enum(['auto', 'cpu', 'cuda']),
});

type FitOptions = z.output<typeof options>;

/**
 * Trains a traced network on a feed and keeps the epoch with the lowest validation loss.
 * Everything random follows from `training.seed`; the bytes of the weights do not depend on the number of threads.
 */
export const fitOperator = defineOperator<FitOptions>({
  name: 'fit',
  class: 'pure',
  resumes: true,
  options,
  outputs: { model: 'model' },
  weight: 'train',
  engines: ['libtorch'],
  device: ({ device }) => device,
  async run(context, { options: { fit, training, device }, inputs }) {
    const feedArtifact = inputs['feed']!.artifacts['feed']!;
    const feed = feedArtifact.manifest.meta as unknown as FeedMeta;
    const statisticsFile = join(inputs['statistics']!.artifacts['statistics']!.directory, 'statistics.json');
    const statistics = JSON.parse(await readFile(statisticsFile, 'utf8')) as StatisticsDocument;
    const resolved = resolveFit(fit, statistics);
    const gradientShards =
      training.gradientShards ?? resolveGradientShards(resolved.graph, statistics.sizes, training.batchSize);
    const writer = await context.artifacts.create('model');
    try {
      const curve = new LearningCurve();
      const logs = await openTrainingLogs(context, resolved, training, curve);
      const checkpoints = join(context.scratch, 'checkpoints');
      await mkdir(checkpoints, { recursive: true });
      const result = await train(
        {
          fit: resolved,
          statistics,
          feedDirectory: feedArtifact.directory,
          feed,
          training,
          gradientShards,
          dtype: 'float32',
          initialWeights: null,
          checkpointDirectory: checkpoints,
          weightsPath: join(writer.directory, 'weights.safetensors'),
          threads: context.placement.threads,
          device: device === 'auto' ? context.placement.device : device,
        },
        { signal: context.signal, onEvent: (event) => logs.onEvent(event) },
      ).finally(() => logs.close());
      const document: ModelDocument = {
        formatVersion: 1,
        graph: resolved,
        training,
        bestEpoch: result.bestEpoch,
        epochs: result.epochs,
        steps: result.steps,
        validationLoss: result.validationLoss,
        gradientShards,
        curve: curve.points,
      };
      await writeFile(join(writer.directory, 'model.json'), canonicalJson(document));
      await writeFile(join(writer.directory, 'statistics.json'), await readFile(statisticsFile));
      const artifact = await writer.commit({
        task: resolved.task.kind,
        bestEpoch: result.bestEpoch,
        epochs: result.epochs,
      });
      return {
        outputs: [{ name: 'model', digest: artifact.digest }],
        summary: {
          bestEpoch: result.bestEpoch,
          epochs: result.epochs,
          steps: result.steps,
          validationLoss: result.validationLoss,
          gradientShards,
          device: result.device,
          rowsPerSecond: Math.round(result.rowsPerSecond),
        },
        metrics: { validationLoss: result.validationLoss },
      };
    } catch (error) {
      await writer.discard();
      throw error;
    }
  },
});

/** The graph with every size known but the batch. */
export function resolveFit(fit: FitGraph, statistics: StatisticsDocument): FitGraph {
  const { sizes } = statistics;
  return {
    ...fit,
    graph: resolveGraph(fit.graph, sizes),
    label: resolveGraph(fit.label, sizes),
    loss: resolveGraph(fit.loss, sizes),
  };
}
