import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { date, definePipeline, evaluate, exportOnnx, fit, split, sql } from 'millrace';
import { dense, network, output, standardize } from 'millrace/nn';
import { t } from 'millrace/types';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Pipeline } from '../../../pipelines/define/pipeline.js';
import { compilePlan } from '../../../pipelines/plan/compile.js';
import { writePlan } from '../../../workflows/bundle/prepare-pipeline.js';
import { startRun } from '../../../workflows/embedded/run-plan.js';
import { openServices, type ServicesOptions } from '../../../workflows/services.js';
import { errorOf } from '../../conformance/stores/metadata-suite.js';
import { startS3, type TestS3 } from '../../support/s3.js';

let root: string;
let s3: TestS3;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-s3-run-'));
  s3 = await startS3(root);
  await s3.createBucket('team');
});

afterAll(async () => {
  await s3[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
});

const pipeline = definePipeline({
  name: 'on-s3',
  build: () => {
    const rows = sql`
      SELECT i AS id, CAST(i % 17 AS DOUBLE) AS x, i % 17 > 8 AS y
      FROM range(1200) AS r(i) WHERE ${date('2026-01-01')} < DATE '2026-02-01'`.as(
      { id: t.int64, x: t.float64, y: t.bool },
      { key: 'id' },
    );
    const data = split(rows, { by: 'id', fractions: { train: 0.6, validation: 0.2, test: 0.2 }, seed: 7 });
    const model = fit(data, {
      label: 'y',
      inputs: { x: standardize() },
      network: network(dense(4, 'relu'), output()),
      training: { batchSize: 64, maxEpochs: 2, seed: 7 },
    });
    const onnx = exportOnnx(model);
    return { rows, model, onnx, report: evaluate(onnx, data) };
  },
});

/** What every stage left, by its id. */
async function run(place: Partial<ServicesOptions>): Promise<Record<string, unknown>> {
  const directory = await mkdtemp(join(root, 'store-'));
  await using services = await openServices({ directory, threads: 1, memoryLimitMb: 512, ...place });
  const plan = compilePlan(pipeline as unknown as Pipeline, {}, () => null);
  const { run: id, status } = await startRun(
    services,
    { plan, digest: await writePlan(services, plan) },
    {
      root: directory,
      bundle: null,
      useCache: true,
      from: null,
      signal: new AbortController().signal,
      onEvent: () => undefined,
    },
  );
  expect(status).toBe('succeeded');
  const stages = await services.metadata.stages(id);
  return Object.fromEntries(stages.map(({ stage, outputs }) => [stage, outputs]));
}

test('a run on S3 gives the digests of a run on a disk, stage by stage, on one machine and on the next', async () => {
  const onDisk = await run({});
  expect(Object.keys(onDisk).length).toBeGreaterThanOrEqual(6);
  const shared = { artifactsUrl: 's3://team/shared', artifactsEndpoint: s3.endpoint, artifactsRegion: 'us-east-1' };
  expect(await run(shared)).toEqual(onDisk);
  expect(await run(shared)).toEqual(onDisk);
});

test('services without their bucket end with its error', async () => {
  const directory = await mkdtemp(join(root, 'store-'));
  const opening = openServices({
    directory,
    threads: 1,
    memoryLimitMb: 512,
    artifactsUrl: 's3://nobody-has/it',
    artifactsEndpoint: s3.endpoint,
  });
  expect(await errorOf(opening)).toMatchObject({
    code: 'STORE_UNREADABLE',
    message: `s3://nobody-has/it: expected a bucket that exists at ${s3.endpoint}; received NoSuchBucket. Create it, or check its name and the endpoint.`,
  });
});
