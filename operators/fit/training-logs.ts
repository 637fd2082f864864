import { join } from 'node:path';
import type { TrainEvent } from '../../native/ts/train.js';
import type { EventLog } from '../../pipelines/contracts/events.js';
import type { OperatorContext } from '../../pipelines/contracts/operator.js';
import type { CurvePoint, ResolvedTraining } from '../../pipelines/contracts/training.js';
import type { FitGraph } from '../../pipelines/network/graph.js';
import type { LearningCurve } from './learning-curve.js';

type EpochEvent = Extract<TrainEvent, { kind: 'epoch' }>;
type ProgressEvent = Extract<TrainEvent, { kind: 'progress' }>;

export interface TrainingLogs {
  onEvent(event: TrainEvent): void;
  close(): Promise<void>;
}

/**
 * Opens what tells of a training while it runs: the run's progress, the learning curve, and a log for each split.
 * Logs that cannot be opened or written are told of, and end nothing.
 */
export async function openTrainingLogs(
  context: OperatorContext,
  fit: FitGraph,
  training: ResolvedTraining,
  curve: LearningCurve,
): Promise<TrainingLogs> {
  const trainLog = await openLog(context, 'train');
  const validationLog = await openLog(context, 'validation');
  trainLog?.log.graph(fit.graph);
  trainLog?.log.hyperparameters(hyperparameters(training), ['loss']);
  // The loss comes last of an epoch's values: it tells a resumed training that they are whole.
  const drawTrain = ({ step, trainLoss, learningRate }: CurvePoint, epoch: EpochEvent | null): void => {
    if (trainLog === null) return;
    const { log } = trainLog;
    log.scalar('learningRate', step, learningRate);
    for (const [name, histogram] of Object.entries(epoch?.weights ?? {}))
      log.histogram(`weights/${name}`, step, histogram);
    for (const [name, histogram] of Object.entries(epoch?.gradients ?? {}))
      log.histogram(`gradients/${name}`, step, histogram);
    log.scalar('loss', step, trainLoss);
  };
  const drawValidation = ({ step, validationLoss }: CurvePoint): void =>
    validationLog?.log.scalar('loss', step, validationLoss);
  return {
    onEvent(event) {
      if (event.kind === 'progress') context.progress(progressOf(event, training));
      else if (event.kind === 'checkpointUnusable') {
        context.log(`the checkpoint could not be used, training began again: ${event.reason}`);
      } else if (event.kind === 'restored') {
        curve.add(event);
        if (trainLog?.isDrawn(event.step) === false) drawTrain(event, null);
        if (validationLog?.isDrawn(event.step) === false) drawValidation(event);
      } else if (event.kind === 'epoch') {
        curve.add(event);
        // Short epochs end before the loop tells of its steps.
        context.progress({
          fraction: Math.min(1, event.step / Math.max(1, event.steps)),
          message: `epoch ${event.epoch + 1}/${training.maxEpochs} · loss ${event.trainLoss.toPrecision(4)} · validation ${event.validationLoss.toPrecision(4)}`,
        });
        drawTrain(event, event);
        drawValidation(event);
        // What the disk refuses is told when the logs close: it must not end the training.
        Promise.all([trainLog?.log.flush(), validationLog?.log.flush()]).catch(() => {});
      }
    },
    async close() {
      for (const opened of [trainLog, validationLog]) {
        await opened?.log.close().catch((error: unknown) => tellLost(context, opened.split, error));
      }
    },
  };
}

type Split = 'train' | 'validation';

interface OpenedLog {
  readonly split: Split;
  readonly log: EventLog;
  readonly isDrawn: (step: number) => boolean;
}

/** null where the disk refuses it: a record decides nothing about the training that it tells of. */
async function openLog(context: OperatorContext, split: Split): Promise<OpenedLog | null> {
  let log: EventLog | null = null;
  try {
    log = await context.events(join(context.records, split));
    return { split, log, isDrawn: await drawnSteps(log) };
  } catch (error) {
    tellLost(context, split, error);
    await log?.close().catch(() => {});
    return null;
  }
}

function tellLost(context: OperatorContext, split: Split, error: unknown): void {
  context.log(`the event log of the ${split} split is not whole: ${error instanceof Error ? error.message : error}`);
}

/**
 * Whether the log has the loss of an epoch that an earlier attempt finished: the process that had to write it may have
 * been killed. Behind the first step that is missing nothing counts, for a log that is resumed drops what comes after.
 */
async function drawnSteps(log: EventLog): Promise<(step: number) => boolean> {
  const drawn = new Set(await log.drawnSteps('loss'));
  return (step) => {
    if (drawn.has(step)) return true;
    drawn.clear();
    return false;
  };
}

function hyperparameters(training: ResolvedTraining): Record<string, string | number | boolean> {
  return {
    optimizer: training.optimizer.kind,
    learningRate: training.optimizer.learningRate,
    weightDecay: training.optimizer.weightDecay,
    schedule: training.schedule.kind,
    batchSize: training.batchSize,
    maxEpochs: training.maxEpochs,
    seed: training.seed,
  };
}

function progressOf(event: ProgressEvent, training: ResolvedTraining): Parameters<OperatorContext['progress']>[0] {
  const total = Math.max(1, event.steps);
  const remaining =
    event.rowsPerSecond > 0 ? ((total - event.step) * training.batchSize * 1000) / event.rowsPerSecond : null;
  return {
    fraction: Math.min(1, event.step / total),
    message: `epoch ${event.epoch + 1}/${training.maxEpochs} · loss ${event.trainLoss.toPrecision(4)} · ${Math.round(event.rowsPerSecond / 1000)}k rows/s`,
    etaMs: remaining,
  };
}
