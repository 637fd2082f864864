import { appendFile, readdir, readFile, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDiskArtifactStore } from '../../../connectors/artifact-store/disk-artifact-store.js';
import type { ModelDocument } from '../../../pipelines/contracts/training.js';
import { runPython } from '../../peers/python.js';
import { digestsOf, type RunObject, runCli, runJson, startCli } from '../../support/cli.js';
import { violationsOf } from '../../support/invariants.js';
import { allEnded, descendantsOf } from '../../support/processes.js';
import { logOf, stageBegun } from '../../support/run-log.js';
import { type Project, visitorsProject } from '../../support/visitors.js';

/** Scalars as TensorBoard's own reader finds them: [step, value] by log directory and tag. */
const readScalars = `
import os
from tensorboard.backend.event_processing import event_accumulator
output = {}
for split in ['train', 'validation']:
    reader = event_accumulator.EventAccumulator(os.path.join(input['directory'], split), size_guidance={'scalars': 0})
    reader.Reload()
    for tag in reader.Tags()['scalars']:
        output[split + '/' + tag] = [[event.step, event.value] for event in reader.Scalars(tag)]
`;

/** The newest event file of a log, once it holds at least so many bytes. */
async function eventFile(directory: string, leastBytes: number): Promise<string> {
  for (let tries = 0; tries < 6000; tries++) {
    const name = (await readdir(directory).catch((): string[] => [])).sort().at(-1);
    if (name !== undefined && (await stat(join(directory, name))).size >= leastBytes) return join(directory, name);
    await delay(10);
  }
  throw new Error(`${directory} did not grow to ${leastBytes} bytes within a minute`);
}

describe('the records of a run killed with SIGKILL', () => {
  let project: Project;
  let id: string;
  let resumed: RunObject;

  beforeAll(async () => {
    project = await visitorsProject();
    const { child, done } = startCli([
      ...['run', join(project.directory, 'pipeline.ts'), '--param', 'maxEpochs=300', ...project.inStore],
    ]);
    id = await stageBegun(project.store, 'model');
    const records = join(project.store, 'records', id);
    // A few epochs are drawn: one takes about 60 bytes of the validation log.
    await eventFile(join(records, 'model', 'validation'), 400);
    const children = descendantsOf(child.pid!);
    child.kill('SIGKILL');
    await done;
    await allEnded(children);
    // What a kill between a checkpoint and its log leaves: epochs that were finished, but not drawn.
    const cut = async (split: string, bytes: number): Promise<void> => {
      const file = await eventFile(join(records, 'model', split), 1);
      await truncate(file, (await stat(file)).size - bytes);
    };
    await cut('train', 5);
    await cut('validation', 100);
    await appendFile(join(records, 'run.log'), '{"at":"2026-01-01T00:00:00.000Z","kind":"stagePro');
  });
  afterAll(async () => {
    expect(await violationsOf(project.store)).toEqual([]);
    await project[Symbol.asyncDispose]();
  });

  test('show a log line that was cut as it is', async () => {
    const { code, stdout, stderr } = await runCli(['runs', 'logs', id, ...project.inStore]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.trimEnd().split('\n');
    expect(lines.at(-1)).toBe('{"at":"2026-01-01T00:00:00.000Z","kind":"stagePro');
    expect(lines.length).toBe(logOf(project.store, id).length + 1);
    const json = await runCli(['runs', 'logs', id, '--json', ...project.inStore]);
    expect(
      json.stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(logOf(project.store, id));
  });

  test('get whole lines behind it when the run is resumed', async () => {
    resumed = await runJson<RunObject>(['runs', 'resume', id, ...project.inStore]);
    expect(resumed.status).toBe('succeeded');
    const lines = (await readFile(join(project.store, 'records', id, 'run.log'), 'utf8')).trimEnd().split('\n');
    const torn = lines.filter((line) => !line.endsWith('}'));
    expect(torn).toEqual(['{"at":"2026-01-01T00:00:00.000Z","kind":"stagePro']);
    expect(
      logOf(project.store, id).filter((line) => line.kind === 'stageStarted' && line.stage === 'model'),
    ).toHaveLength(2);
    const { code, stdout } = await runCli(['runs', 'logs', id, '--follow', ...project.inStore]);
    expect({ code, lines: stdout.trimEnd().split('\n').length }).toEqual({ code: 0, lines: lines.length });
  });

  test('draw every epoch once in TensorBoard, those that were not drawn before the kill too', async () => {
    const store = await openDiskArtifactStore(project.store);
    const { directory } = await store.open(digestsOf(resumed)['model.model']!);
    const { curve } = JSON.parse(await readFile(join(directory, 'model.json'), 'utf8')) as ModelDocument;
    expect(curve).toHaveLength(300);
    const drawn = await runPython(readScalars, { directory: join(project.store, 'records', id, 'model') });
    const points = (value: 'trainLoss' | 'validationLoss' | 'learningRate'): unknown =>
      curve.map((point) => [point.step, Math.fround(point[value])]);
    expect(drawn).toEqual({
      'train/loss': points('trainLoss'),
      'train/learningRate': points('learningRate'),
      'validation/loss': points('validationLoss'),
    });
  });
});
