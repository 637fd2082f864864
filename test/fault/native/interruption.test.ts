import { type ChildProcess, fork } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { builtEntry } from '../../../native/ts/package-root.js';
import { type TrainEvent, train } from '../../../native/ts/train.js';
import type { ChildMessage } from '../../../native/ts/train-types.js';
import { temporaryFolder } from '../../integration/native/tabular-fixture.js';
import { longRequest } from './long-training.js';

const never = new AbortController().signal;
const ignore = { onEvent: () => {}, signal: never };

/** Starts a rank as `train` does, and kills it with -9 at an event. */
function killAt(request: ReturnType<typeof longRequest>, isMoment: (event: TrainEvent) => boolean): Promise<void> {
  return new Promise((resolve) => {
    const child: ChildProcess = fork(builtEntry('native/ts/rank-main'), [], {
      serialization: 'advanced',
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    child.on('message', (message: ChildMessage) => {
      if (message.kind === 'event' && isMoment(message.event)) child.kill('SIGKILL');
    });
    child.on('close', () => resolve());
    child.send({ kind: 'train', request });
  });
}

/** Ranks that this process started and that are alive. */
function ranks(): string[] {
  const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').trim();
  return children.split(' ').filter((child) => {
    const command = `/proc/${child}/cmdline`;
    return child !== '' && existsSync(command) && readFileSync(command, 'utf8').includes('rank-main');
  });
}

describe('an interrupted training', () => {
  it('gives the same bytes after kill -9 in the middle of an epoch as one that was left alone', async () => {
    const folder = temporaryFolder();
    const alone = longRequest(folder, 'alone');
    const undisturbed = await train(alone, ignore);
    const killed = longRequest(folder, 'killed');
    let epochs = 0;
    await killAt(killed, (event) => {
      if (event.kind === 'epoch') epochs += 1;
      return epochs === 2;
    });
    expect(existsSync(killed.weightsPath)).toBe(false);
    const events: TrainEvent[] = [];
    const resumed = await train(
      { ...killed, threads: 1 },
      { onEvent: (event) => void events.push(event), signal: never },
    );
    expect(events[0]).toMatchObject({ kind: 'started' });
    expect((events[0] as { epoch: number }).epoch).toBeGreaterThanOrEqual(2);
    expect(readFileSync(killed.weightsPath).equals(readFileSync(alone.weightsPath))).toBe(true);
    expect({ ...resumed, durationMs: 0, rowsPerSecond: 0 }).toEqual({
      ...undisturbed,
      durationMs: 0,
      rowsPerSecond: 0,
    });
  });

  it('stops at a cancellation with CANCELLED and goes on from the very step, to the same bytes', async () => {
    const folder = temporaryFolder();
    const alone = longRequest(folder, 'alone');
    await train(alone, ignore);
    const cancelled = longRequest(folder, 'cancelled');
    const controller = new AbortController();
    const stop = (event: TrainEvent): void => {
      if (event.kind === 'epoch') controller.abort();
    };
    await expect(train(cancelled, { onEvent: stop, signal: controller.signal })).rejects.toMatchObject({
      code: 'CANCELLED',
      message: 'training: expected to run to the end; received a cancellation.',
    });
    const events: TrainEvent[] = [];
    await train(cancelled, { onEvent: (event) => void events.push(event), signal: never });
    expect((events[0] as { step: number }).step).toBeGreaterThan(0);
    expect(readFileSync(cancelled.weightsPath).equals(readFileSync(alone.weightsPath))).toBe(true);
  });

  it('ends with its parent: a rank whose channel closes is gone at once', async () => {
    const request = longRequest(temporaryFolder(), 'run', { maxEpochs: 1_000 });
    const child = fork(builtEntry('native/ts/rank-main'), [], {
      serialization: 'advanced',
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const ended = new Promise<NodeJS.Signals | null>((resolve) => child.on('exit', (_code, signal) => resolve(signal)));
    child.on('message', () => {
      if (child.connected) child.disconnect();
    });
    child.send({ kind: 'train', request });
    expect(await ended).toBe('SIGKILL');
    expect(existsSync(request.weightsPath)).toBe(false);
  });

  it('does not start where the signal was aborted before', async () => {
    const request = longRequest(temporaryFolder(), 'run');
    await expect(train(request, { onEvent: () => {}, signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    expect(existsSync(request.checkpointDirectory)).toBe(false);
  });

  it('leaves no rank behind where the request cannot be sent', async () => {
    const request = { ...longRequest(temporaryFolder(), 'run'), initialWeights: (() => {}) as never };
    await expect(train(request, { onEvent: () => {}, signal: never })).rejects.toThrow('could not be cloned');
    while (ranks().length > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  });

  it('begins again, and says so, where the checkpoint is damaged', async () => {
    const folder = temporaryFolder();
    const request = longRequest(folder, 'run', { maxEpochs: 2 });
    await train(request, ignore);
    const whole = readFileSync(request.weightsPath);
    const path = join(request.checkpointDirectory, 'checkpoint.safetensors');
    const bytes = readFileSync(path);
    bytes[bytes.length - 3]! ^= 0xff;
    writeFileSync(path, bytes);
    const events: TrainEvent[] = [];
    await train(request, { onEvent: (event) => void events.push(event), signal: never });
    expect(events[0]).toMatchObject({
      kind: 'checkpointUnusable',
      reason: expect.stringContaining('expected checksum'),
    });
    expect(events[1]).toMatchObject({ kind: 'started', epoch: 0, step: 0 });
    expect(readFileSync(request.weightsPath).equals(whole)).toBe(true);
  });

  it('ends with TRAIN_DIVERGED, step and epoch where the loss is not finite, and keeps the last good checkpoint', async () => {
    const request = longRequest(temporaryFolder(), 'run');
    const wild = {
      ...request,
      training: {
        ...request.training,
        optimizer: { kind: 'sgd', learningRate: 1e30, momentum: 0, nesterov: false, weightDecay: 0 } as const,
      },
    };
    const error = await train(wild, ignore).then(
      () => null,
      (cause: unknown) => cause as { code: string; message: string; details: Record<string, number> },
    );
    expect(error?.code).toBe('TRAIN_DIVERGED');
    const { step, epoch } = error!.details;
    expect(error!.message).toMatch(
      new RegExp(
        `^training: expected a finite loss; received (NaN|infinity) at step ${step} \\(epoch ${epoch}\\)\\. Lower training\\.optimizer\\.learningRate, or set training\\.gradientClipNorm\\.$`,
      ),
    );
    expect(existsSync(request.weightsPath)).toBe(false);
  });
});
