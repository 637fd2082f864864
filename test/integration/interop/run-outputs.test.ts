import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDiskArtifactStore } from '../../../connectors/artifact-store/disk-artifact-store.js';
import type { Artifact, DatasetMeta } from '../../../pipelines/contracts/artifacts.js';
import type { ModelSignature } from '../../../pipelines/contracts/signature.js';
import type { FeedMeta } from '../../../pipelines/contracts/training.js';
import { runPython } from '../../peers/python.js';
import { digestsOf, type RunObject, startCli } from '../../support/cli.js';
import { type Project, visitorsProject } from '../../support/visitors.js';

/** What TensorBoard's own reader finds in the records of a run, by log directory. */
type FoundLogs = Readonly<
  Record<
    string,
    {
      readonly scalars: Readonly<Record<string, readonly number[]>>;
      readonly histograms: Readonly<Record<string, number>>;
      readonly texts: Readonly<Record<string, string>>;
      readonly nodes: readonly string[];
      readonly hparams: Readonly<Record<string, unknown>>;
    }
  >
>;

const readLogs = `
import os
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.compat.proto import graph_pb2
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.util import tensor_util
output = {}
for directory, _, files in os.walk(input['directory']):
    if not any('tfevents' in name for name in files):
        continue
    reader = event_accumulator.EventAccumulator(directory, size_guidance={'scalars': 0, 'tensors': 0})
    reader.Reload()
    tags = reader.Tags()
    found = {'scalars': {}, 'histograms': {}, 'texts': {}, 'nodes': [], 'hparams': {}}
    for tag in tags['scalars']:
        found['scalars'][tag] = [event.value for event in reader.Scalars(tag)]
    for tag in tags['tensors']:
        metadata = reader.SummaryMetadata(tag)
        events = reader.Tensors(tag)
        if metadata.plugin_data.plugin_name == 'histograms':
            found['histograms'][tag] = len(events)
        if metadata.plugin_data.plugin_name == 'text':
            found['texts'][tag] = tensor_util.make_ndarray(events[-1].tensor_proto).tolist()[0].decode()
        if metadata.plugin_data.plugin_name == 'hparams':
            data = plugin_data_pb2.HParamsPluginData.FromString(metadata.plugin_data.content)
            for name, value in data.session_start_info.hparams.items():
                found['hparams'][name] = getattr(value, value.WhichOneof('kind'))
    if tags['graph']:
        found['nodes'] = [node.op for node in reader.Graph().node]
    output[os.path.relpath(directory, input['directory'])] = found
`;

const scoreRows = `
import math, os
import numpy, onnx, onnxruntime
path = os.path.join(input['directory'], 'model.onnx')
onnx.checker.check_model(onnx.load(path), full_check=True)
session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
kinds = {'float64': numpy.float64, 'float32': numpy.float32, 'int64': numpy.int64, 'bool': numpy.bool_, 'string': object}
missing = {'float64': math.nan, 'string': ''}
feeds = {}
for spec in input['inputs']:
    name, dtype = spec['column']['name'], spec['dtype']
    values = [missing.get(dtype) if row[name] is None else row[name] for row in input['rows']]
    feeds[name] = numpy.array(values, dtype=kinds[dtype])
output = {spec.name: value.tolist() for spec, value in zip(session.get_outputs(), session.run(None, feeds))}
`;

const readTensors = `
from safetensors import safe_open
output = {}
for path in input['paths']:
    with safe_open(path, framework='numpy') as file:
        output[path] = {name: [str(file.get_tensor(name).dtype), list(file.get_tensor(name).shape)] for name in file.keys()}
`;

describe('what a run left', () => {
  let project: Project;
  let run: RunObject;
  let artifact: (output: string) => Promise<Artifact>;

  beforeAll(async () => {
    project = await visitorsProject();
    run = await project.run();
    expect(run.status).toBe('succeeded');
    const store = await openDiskArtifactStore(project.store);
    artifact = (output) => store.open(digestsOf(run)[output]!);
  });
  afterAll(() => project[Symbol.asyncDispose]());

  test('is drawn by TensorBoard: losses of both splits, histograms, graph, hyperparameters, the report as text', async () => {
    const logs = (await runPython(readLogs, { directory: join(project.store, 'records', run.run) })) as FoundLogs;
    expect(Object.keys(logs).sort()).toEqual(['model/train', 'model/validation', 'report']);
    const model = JSON.parse(await readText(await artifact('model.model'), 'model.json')) as {
      readonly curve: readonly { readonly trainLoss: number; readonly validationLoss: number }[];
    };
    expect(model.curve).toHaveLength(4);
    expect(logs['model/train']!.scalars['loss']).toEqual(model.curve.map((point) => Math.fround(point.trainLoss)));
    expect(logs['model/validation']!.scalars['loss']).toEqual(
      model.curve.map((point) => Math.fround(point.validationLoss)),
    );
    expect(logs['model/train']!.scalars['learningRate']).toEqual([0.02, 0.02, 0.02, 0.02].map(Math.fround));
    const parameters = Object.keys(logs['model/train']!.histograms);
    expect(parameters.filter((tag) => tag.startsWith('weights/'))).toHaveLength(parameters.length / 2);
    expect(parameters.length).toBeGreaterThanOrEqual(8);
    expect(logs['model/train']!.nodes.length).toBeGreaterThan(10);
    expect(logs['model/train']!.hparams).toMatchObject({
      optimizer: 'adam',
      learningRate: 0.02,
      batchSize: 32,
      seed: 1,
    });
    expect(logs['report']!.texts['report']).toContain('| AUC |');
    expect(logs['report']!.texts['report']).toContain('newsletter');
  });

  test('is a model that the onnx checker passes, and that gives the endpoint’s answers in Python', async () => {
    const bundle = await artifact('onnx.onnx');
    const signature = JSON.parse(await readText(bundle, 'signature.json')) as ModelSignature;
    const rows = [
      { source: 'search', pages: 3, minutes: 2.5, is_back: false, pace: 0.6 },
      { source: 'newsletter', pages: 12, minutes: null, is_back: true, pace: 0 },
      { source: 'a new one', pages: 1, minutes: 0.25, is_back: true, pace: 0.125 },
    ];
    const inPython = (await runPython(scoreRows, {
      directory: bundle.directory,
      inputs: signature.inputs,
      rows,
    })) as Readonly<Record<string, readonly (number | string)[]>>;
    const { child, done } = startCli(['serve', '--port', '0', '--json', ...project.inStore]);
    const line = await new Promise<string>((resolve) =>
      child.stdout!.once('data', (chunk: Buffer) => resolve(String(chunk))),
    );
    const { address } = JSON.parse(line) as { readonly address: string };
    const reply = await fetch(`${address}/endpoints/visitors/predict`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ rows }),
    });
    expect(reply.status).toBe(200);
    const { predictions } = (await reply.json()) as {
      readonly predictions: readonly { readonly probability: number }[];
    };
    child.kill('SIGTERM');
    expect((await done).code).toBe(0);
    expect(predictions.map((one) => Math.fround(one.probability))).toEqual(inPython['probability']);
  });

  test('are datasets that a DuckDB without Millrace opens, with the rows and columns of their manifests', async () => {
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    for (const output of ['visits.dataset', 'paces.dataset', 'rows.dataset']) {
      const { directory, manifest } = await artifact(output);
      const meta = manifest.meta as unknown as DatasetMeta;
      const files = meta.partitions.map((partition) => `'${join(directory, partition.path)}'`).join(', ');
      const reader = await connection.runAndReadAll(`SELECT * FROM read_parquet([${files}])`);
      expect(reader.currentRowCount).toBe(meta.rows);
      expect(reader.columnNames()).toEqual(meta.columns.map((column) => column.name));
    }
    connection.closeSync();
    instance.closeSync();
  });

  test('are weights and a feed that the safetensors package opens', async () => {
    const model = await artifact('model.model');
    const feed = await artifact('model/feed.feed');
    const { splits } = feed.manifest.meta as unknown as FeedMeta;
    const shards = [...splits.train.shards, ...splits.validation.shards];
    const paths = [
      join(model.directory, 'weights.safetensors'),
      ...shards.map((shard) => join(feed.directory, shard.path)),
    ];
    const tensors = (await runPython(readTensors, { paths })) as Record<string, Record<string, [string, number[]]>>;
    expect(Object.values(tensors[paths[0]!]!).every(([dtype]) => dtype === 'float32')).toBe(true);
    for (const [index, shard] of shards.entries()) {
      const found = tensors[paths[index + 1]!]!;
      expect(found['label']).toEqual(['float32', [shard.rows]]);
      expect(found['index']).toEqual(['int32', [shard.rows, 2]]);
      expect(found['float']![1][0]).toBe(shard.rows);
    }
  });
});

function readText({ directory }: Artifact, file: string): Promise<string> {
  return readFile(join(directory, file), 'utf8');
}
