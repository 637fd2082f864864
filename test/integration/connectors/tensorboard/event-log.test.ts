import { appendFile, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openEventLog } from '../../../../connectors/tensorboard/event-log.js';
import { BATCH } from '../../../../pipelines/network/graph.js';
import { Tracer } from '../../../../pipelines/network/tracer.js';
import { runPython } from '../../../peers/python.js';

let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-events-'));
});

afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

/** What TensorBoard's own reader finds, by run. */
interface Found {
  readonly [run: string]: {
    readonly scalars: { readonly [tag: string]: readonly (readonly [step: number, value: number | null])[] };
    readonly histograms: { readonly [tag: string]: readonly (readonly [step: number, rows: number[][]])[] };
    readonly texts: { readonly [tag: string]: readonly (readonly [step: number, text: string])[] };
    readonly graph: readonly { name: string; op: string; inputs: string[]; shape: number[] | null; dtype: number }[];
    readonly hparams: { readonly [name: string]: unknown };
    readonly metrics: readonly (readonly [group: string, tag: string])[];
  };
}

const READ = `
import math, os
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.util import tensor_util
output = {}
for directory, _, files in os.walk(input['directory']):
    if not any('tfevents' in name for name in files):
        continue
    reader = event_accumulator.EventAccumulator(directory, size_guidance={'scalars': 0, 'tensors': 0})
    reader.Reload()
    tags = reader.Tags()
    run = {'scalars': {}, 'histograms': {}, 'texts': {}, 'graph': [], 'hparams': {}, 'metrics': []}
    for tag in tags['scalars']:
        run['scalars'][tag] = [[e.step, e.value if math.isfinite(e.value) else None] for e in reader.Scalars(tag)]
    for tag in tags['tensors']:
        metadata = reader.SummaryMetadata(tag)
        plugin = metadata.plugin_data.plugin_name
        for event in reader.Tensors(tag):
            value = tensor_util.make_ndarray(event.tensor_proto)
            if plugin == 'histograms':
                run['histograms'].setdefault(tag, []).append([event.step, value.tolist()])
            elif plugin == 'text':
                run['texts'].setdefault(tag, []).append([event.step, value.tolist()[0].decode()])
        if plugin == 'hparams':
            data = plugin_data_pb2.HParamsPluginData.FromString(metadata.plugin_data.content)
            if data.WhichOneof('data') == 'session_start_info':
                for name, value in data.session_start_info.hparams.items():
                    run['hparams'][name] = getattr(value, value.WhichOneof('kind'))
            else:
                run['metrics'] = [[m.name.group, m.name.tag] for m in data.experiment.metric_infos]
    if tags['graph']:
        for node in reader.Graph().node:
            shapes = node.attr['_output_shapes'].list.shape if '_output_shapes' in node.attr else []
            run['graph'].append({'name': node.name, 'op': node.op, 'inputs': list(node.input), 'dtype': node.attr['dtype'].type,
                'shape': [d.size for d in shapes[0].dim] if shapes else None})
    output[os.path.relpath(directory, input['directory'])] = run
`;

const read = async (directory: string): Promise<Found> => (await runPython(READ, { directory })) as Found;

describe('event files', () => {
  test('are read by TensorBoard: scalars of both splits, histograms, text, graph and hyperparameters', async () => {
    const directory = join(root, 'whole');
    {
      await using log = await openEventLog(directory);
      log.hyperparameters({ optimizer: 'adam', learningRate: 0.001, nesterov: false }, ['validation/loss', 'auc']);
      for (const step of [0, 1, 200]) {
        log.scalar('train/loss', step, 1 / (step + 1));
        log.scalar('validation/loss', step, 2 / (step + 1));
        log.scalar('learningRate', step, 0.5);
      }
      log.scalar('learningRate', 2 ** 40, Number.NaN);
      log.histogram('weights/dense', 1, { left: -1, limits: [0, 1.5], counts: [3, 4] });
      log.histogram('weights/none', 1, { left: 0, limits: [], counts: [] });
      log.text('report', 0, '# Größe **1**');
      const tracer = new Tracer();
      const x = tracer.encode(() => tracer.feed('age', tracer.input('age', 'float64', [BATCH])));
      const scaled = tracer.encode(() => tracer.apply('cast', [x], { to: 'float32' }));
      log.graph(tracer.finish({ logits: tracer.scope('dense', () => tracer.apply('relu', [scaled])) }));
    }
    const found = await read(directory);
    expect(Object.keys(found).sort()).toEqual(['.', 'train', 'validation']);
    expect(found['train']?.scalars).toEqual({
      loss: [
        [0, 1],
        [1, 0.5],
        [200, Math.fround(1 / 201)],
      ],
    });
    expect(found['validation']?.scalars['loss']?.[1]).toEqual([1, 1]);
    expect(found['.']?.scalars['learningRate']).toEqual([
      [0, 0.5],
      [1, 0.5],
      [200, 0.5],
      [2 ** 40, null],
    ]);
    expect(found['.']?.histograms).toEqual({
      'weights/dense': [
        [
          1,
          [
            [-1, 0, 3],
            [0, 1.5, 4],
          ],
        ],
      ],
      'weights/none': [[1, []]],
    });
    expect(found['.']?.texts).toEqual({ report: [[0, '# Größe **1**']] });
    expect(found['.']?.hparams).toEqual({ optimizer: 'adam', learningRate: 0.001, nesterov: false });
    expect(found['.']?.metrics).toEqual([
      ['validation', 'loss'],
      ['', 'auc'],
    ]);
    expect(found['.']?.graph).toEqual([
      { name: 'encode/age', op: 'input', inputs: [], dtype: 2, shape: [-1] },
      { name: 'encode/cast', op: 'cast', inputs: ['encode/age'], dtype: 1, shape: [-1] },
      { name: 'tensor/dense/relu', op: 'relu', inputs: ['encode/cast'], dtype: 1, shape: [-1] },
      { name: 'output/logits', op: 'output', inputs: ['tensor/dense/relu'], dtype: 0, shape: null },
    ]);
  });

  test('of a killed and resumed run draw each step once, though the first file ends inside a record', async () => {
    const directory = join(root, 'resumed');
    {
      await using log = await openEventLog(directory);
      log.hyperparameters({ seed: 7 }, []);
      for (let step = 0; step < 10; step++) log.scalar('train/loss', step, step);
    }
    const [name] = await readdir(join(directory, 'train'));
    const file = join(directory, 'train', name ?? '');
    await truncate(file, (await stat(file)).size - 5);
    {
      await using log = await openEventLog(directory);
      expect(await log.drawnSteps('train/loss')).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
      expect(await log.drawnSteps('learningRate')).toEqual([]);
      log.hyperparameters({ seed: 7 }, []);
      log.text('note', 0, 'resumed');
      for (let step = 6; step < 12; step++) log.scalar('train/loss', step, 100 + step);
      log.scalar('learningRate', 6, 0.5);
    }
    const found = await read(directory);
    expect(found['train']?.scalars['loss']).toEqual(
      [0, 1, 2, 3, 4, 5, 106, 107, 108, 109, 110, 111].map((value, step) => [step, value]),
    );
    expect(found['.']?.texts).toEqual({ note: [[0, 'resumed']] });
    expect(found['.']?.hparams).toEqual({ seed: 7 });
    expect(found['.']?.scalars).toEqual({ learningRate: [[6, 0.5]] });
    await using log = await openEventLog(directory);
    expect(await log.drawnSteps('train/loss')).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  test('tell the steps that a session start left, and none of damaged files', async () => {
    const directory = join(root, 'drawn');
    for (const [first, last] of [
      [0, 300],
      [200, 250],
      [100, 120],
    ] as const) {
      await using log = await openEventLog(directory);
      for (let step = first; step < last; step++) log.scalar('loss', step, step);
      log.histogram('weights', last, { left: -1, limits: [0, 1.5], counts: [3, 4] });
    }
    const drawn = (await read(directory))['.']?.scalars['loss']?.map(([step]) => step);
    expect(drawn).toEqual(Array.from({ length: 120 }, (_, step) => step));
    await using log = await openEventLog(directory);
    expect(await log.drawnSteps('loss')).toEqual(drawn);
    expect(await log.drawnSteps('weights')).toEqual([]);
    for (const name of await readdir(directory)) {
      const bytes = await readFile(join(directory, name));
      bytes[40] = bytes[40]! ^ 1;
      await writeFile(join(directory, name), bytes);
    }
    expect(await log.drawnSteps('loss')).toEqual([]);
  });

  test('of two openings within one second sort in the order of the openings', async () => {
    const directory = join(root, 'order');
    for (let opening = 0; opening < 3; opening++) {
      await using log = await openEventLog(directory);
      log.scalar('x', opening, opening);
    }
    const names = (await readdir(directory)).sort();
    const sizes = await Promise.all(names.map(async (name) => (await readFile(join(directory, name))).includes('x')));
    expect(sizes).toEqual([true, true, true]);
    expect((await read(directory))['.']?.scalars['x']).toEqual([
      [0, 0],
      [1, 1],
      [2, 2],
    ]);
  });
});

test('a text larger than the buffer is one whole record', async () => {
  const directory = join(root, 'large');
  const large = 'ä'.repeat(400_000);
  {
    await using log = await openEventLog(directory);
    log.scalar('x', 0, 1);
    log.text('report', 0, large);
    log.scalar('x', 1, 2);
  }
  const found = (await read(directory))['.'];
  expect(found?.texts['report']?.[0]?.[1] === large).toBe(true);
  expect(found?.scalars['x']).toEqual([
    [0, 1],
    [1, 2],
  ]);
});

describe('an event log', () => {
  test('that got nothing leaves no directory', async () => {
    await using log = await openEventLog(join(root, 'empty'));
    await log.flush();
    expect(await readdir(root)).not.toContain('empty');
  });

  test('refuses values after it was closed', async () => {
    const log = await openEventLog(join(root, 'closed'));
    await log.close();
    await log.close();
    expect(() => log.scalar('x', 0, 1)).toThrow(
      expect.objectContaining({
        code: 'INTERNAL',
        message: `events ${join(root, 'closed')}: expected an open event log; received a value after it was closed.`,
      }),
    );
  });

  test('refuses a step that is no integer and a histogram whose counts do not fit its limits', async () => {
    await using log = await openEventLog(join(root, 'misuse'));
    expect(() => log.scalar('x', 0.5, 1)).toThrow(
      expect.objectContaining({
        code: 'INTERNAL',
        message: `events ${join(root, 'misuse')}: expected an integer step; received 0.5.`,
      }),
    );
    expect(() => log.histogram('h', 0, { left: 0, limits: [1], counts: [] })).toThrow(
      expect.objectContaining({
        code: 'INTERNAL',
        message: 'events.h: expected as many counts as limits; received 0 counts and 1 limits.',
      }),
    );
  });

  test('reports a directory that cannot be made when it is flushed, not while it is written', async () => {
    const blocked = join(root, 'blocked');
    await appendFile(blocked, 'a file');
    const log = await openEventLog(join(blocked, 'log'));
    log.scalar('x', 0, 1);
    await expect(log.flush()).rejects.toMatchObject({
      code: 'STORE_UNREADABLE',
      message: `${join(blocked, 'log')}: expected a directory that can be written; received ENOTDIR. Check the path and its permissions.`,
    });
    await expect(log.close()).rejects.toMatchObject({ code: 'STORE_UNREADABLE' });
  });

  test('shows values to readers within two seconds without a flush', async () => {
    const directory = join(root, 'live');
    await using log = await openEventLog(directory);
    log.scalar('x', 0, 1);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const [name] = await readdir(directory);
    expect((await stat(join(directory, name ?? ''))).size).toBeGreaterThan(60);
  });
});
