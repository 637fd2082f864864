import { createHash } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isMillraceError, MillraceError } from '../../pipelines/contracts/errors.js';
import { canonicalJson } from '../../pipelines/plan/digest.js';
import type { NativeJob, NativeTrainEvent, NativeTrainRequest } from './addon-types.js';
import { labelShape, nativeTensorFile, openFeed } from './feed-source.js';
import { trainingProgram } from './fit-program.js';
import { fromNativeError, loadAddon } from './load-addon.js';
import { openSafetensors } from './safetensors.js';
import type { TrainEvent, TrainRequest, TrainResult } from './train-types.js';

const checkpointSeconds = 30;

/** Settings that tests vary; they never change results. */
export interface TrainTuning {
  /** false keeps to autograd where the compiled step could run. */
  readonly compiled: boolean;
  readonly checkpointSeconds: number;
}

/** Trains in this process: what a rank does. @throws as {@link train} */
export function trainInProcess(
  request: TrainRequest,
  onEvent: (event: TrainEvent) => void,
  tuning: TrainTuning = { compiled: true, checkpointSeconds },
): NativeJob<TrainResult> {
  const addon = loadAddon();
  const device = resolveDevice(request.device, () => addon.loadCuda());
  const native = toNativeRequest(request, device, tuning);
  onUnusable(native.unusable, onEvent);
  const job = addon.train(native.request, (event) => onEvent(toTrainEvent(event, device)));
  const promise = job.promise.then(
    ({ compiled: _compiled, ...outcome }): TrainResult => ({ ...outcome, device }),
    (error: unknown) => {
      throw fromNativeError(error);
    },
  );
  return { promise, cancel: () => job.cancel() };
}

function onUnusable(reason: string | null, onEvent: (event: TrainEvent) => void): void {
  if (reason !== null) onEvent({ kind: 'checkpointUnusable', reason });
}

export function resolveDevice(device: TrainRequest['device'], loadCuda: () => boolean): 'cpu' | 'cuda' {
  if (device === 'cpu') return 'cpu';
  if (loadCuda()) return 'cuda';
  if (device === 'auto') return 'cpu';
  throw new MillraceError('DEVICE_UNAVAILABLE', {
    path: 'device',
    expected: 'a CUDA card that libtorch can use',
    received: 'none',
    hint: "Use device 'auto' or 'cpu', or point LIBTORCH to a libtorch with CUDA and run `millrace setup`.",
  });
}

function toNativeRequest(
  request: TrainRequest,
  device: 'cpu' | 'cuda',
  tuning: TrainTuning,
): { request: NativeTrainRequest; unusable: string | null } {
  const { training, feed } = request;
  const program = trainingProgram(request.fit, request.statistics, feed);
  const shape = {
    floats: feed.floats.length,
    indices: feed.indices.length,
    hasWeight: feed.hasWeight,
    label: labelShape(request.fit.task),
  };
  const checkpointPath = join(request.checkpointDirectory, 'checkpoint.safetensors');
  mkdirSync(request.checkpointDirectory, { recursive: true });
  mkdirSync(dirname(request.weightsPath), { recursive: true });
  const resume = openCheckpoint(checkpointPath);
  return {
    unusable: resume.unusable,
    request: {
      program,
      dtype: request.dtype,
      optimizer: { ...training.optimizer },
      schedule: { ...training.schedule },
      batchSize: training.batchSize,
      maxEpochs: training.maxEpochs,
      patience: training.earlyStopping?.patience ?? -1,
      minimumDelta: training.earlyStopping?.minimumDelta ?? 0,
      clipNorm: training.gradientClipNorm ?? -1,
      seed: training.seed,
      gradientShards: request.gradientShards,
      threads: request.threads,
      device,
      compiled: tuning.compiled,
      train: openFeed(request.feedDirectory, feed.splits.train.shards, shape),
      validation: openFeed(request.feedDirectory, feed.splits.validation.shards, shape),
      weightsPath: request.weightsPath,
      checkpointPath,
      fingerprint: fingerprint(request, device),
      checkpointSeconds: tuning.checkpointSeconds,
      initial: request.initialWeights === null ? null : nativeTensorFile(openSafetensors(request.initialWeights)),
      resume: resume.file,
    },
  };
}

/** A header that does not hold is no reason to fail: training begins again and says so. */
function openCheckpoint(path: string): { file: NativeTrainRequest['resume']; unusable: string | null } {
  if (!existsSync(path)) return { file: null, unusable: null };
  try {
    return { file: nativeTensorFile(openSafetensors(path)), unusable: null };
  } catch (error) {
    if (isMillraceError(error)) return { file: null, unusable: error.message };
    throw error;
  }
}

/**
 * Of all that decides the bytes: a checkpoint of another training is not gone on from. In canonical form, since a plan
 * that a resumed run reads from the store has its keys in another order than one that was just compiled.
 */
function fingerprint(request: TrainRequest, device: string): string {
  const { fit, statistics, feed, training, gradientShards, dtype, initialWeights } = request;
  const text = canonicalJson({
    formatVersion: 1,
    fit,
    statistics,
    feed,
    training,
    gradientShards,
    dtype,
    initialWeights,
    device,
  });
  return createHash('sha256').update(text).digest('hex');
}

function toTrainEvent(event: NativeTrainEvent, device: 'cpu' | 'cuda'): TrainEvent {
  const { kind, epoch, step, steps, trainLoss, learningRate } = event;
  switch (kind) {
    case 'started':
      return { kind, epoch, step, steps, compiled: event.compiled, device };
    case 'restored':
      return { kind, epoch, step, trainLoss, validationLoss: event.validationLoss, learningRate };
    case 'progress':
      return { kind, epoch, step, steps, trainLoss, learningRate, rowsPerSecond: event.rowsPerSecond };
    case 'epoch':
      return {
        kind,
        epoch,
        step,
        steps,
        trainLoss,
        validationLoss: event.validationLoss,
        learningRate,
        best: event.best,
        weights: event.weights,
        gradients: event.gradients,
      };
    case 'checkpoint':
      return { kind, epoch, step };
    case 'checkpointUnusable':
      return { kind, reason: event.reason };
  }
}
