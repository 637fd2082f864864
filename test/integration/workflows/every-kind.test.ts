import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import { tableFromArrays, tableToIPC } from 'apache-arrow';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RunObject, repository, runCli } from '../../support/cli.js';
import { seededRandom } from '../../support/random.js';
import { emptyProject, type Project } from '../../support/visitors.js';

const count = 500;

/** Flats whose price follows their area: as gzipped JSON lines, Parquet, Arrow, and two gzipped CSV files. */
async function writeFlats(project: Project): Promise<void> {
  const random = seededRandom(5);
  const flats = Array.from({ length: count }, (_, index) => {
    const area = 20 + 100 * random();
    const price = 3000 * area + 20_000 * random();
    return {
      flat_id: index + 1,
      rooms: 1 + Math.floor(area / 30),
      district: random() < 0.1 ? null : ['north', 'south', 'east'][index % 3]!,
      area,
      floor: random() < 0.1 ? null : Math.floor(8 * random()),
      balcony: random() < 0.5,
      heating: price > 250_000 ? 'district' : random() < 0.5 ? 'gas' : 'oil',
      price,
      rent: 12 * area + 100 * random(),
    };
  });
  const lines = flats.map(({ flat_id, rooms, district }) => JSON.stringify({ flat_id, rooms, district }));
  await project.write('data/flats.jsonl.gz', gzipSync(`${lines.join('\n')}\n`));
  const flags = tableFromArrays({
    flat_id: BigInt64Array.from(flats, (flat) => BigInt(flat.flat_id)),
    balcony: flats.map((flat) => flat.balcony),
    heating: flats.map((flat) => flat.heating),
  });
  await project.write('data/flags.arrow', tableToIPC(flags, 'file'));
  for (const part of [0, 1]) {
    const own = flats.filter((flat) => flat.flat_id % 2 === part);
    const text = `flat_id,price,rent\n${own.map(({ flat_id, price, rent }) => `${flat_id},${price},${rent}\n`).join('')}`;
    await project.write(`data/prices-${part}.csv.gz`, gzipSync(text));
  }
  const values = flats.map(({ flat_id, area, floor }) => `(${flat_id}, ${area}, ${floor})`).join(', ');
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run(
    `COPY (SELECT flat_id::BIGINT AS flat_id, area::DOUBLE AS area, floor::INTEGER AS floor FROM (VALUES ${values}) v(flat_id, area, floor))
     TO '${join(project.directory, 'data/areas.parquet')}'`,
  );
  connection.closeSync();
  instance.closeSync();
}

describe('a pipeline over every source, task, input, layer and loss', () => {
  let project: Project;
  let run: RunObject & { readonly exitCode: number | null };

  beforeAll(async () => {
    project = await emptyProject();
    await cp(join(repository, 'test/support/projects/flats'), project.directory, { recursive: true });
    await writeFlats(project);
    run = await project.run();
  });
  afterAll(() => project[Symbol.asyncDispose]());

  async function query(text: string): Promise<readonly (readonly unknown[])[]> {
    const { stdout } = await runCli(['sql', text, '--json', ...project.inStore]);
    return (JSON.parse(stdout) as { readonly rows: readonly (readonly unknown[])[] }).rows;
  }

  test('succeeds, with every stage', () => {
    const failed = run.stages.filter((stage) => !['succeeded', 'fused'].includes(stage.status));
    expect(failed.map(({ id, status, error }) => ({ id, status, error }))).toEqual([]);
    expect(run.exitCode).toBe(0);
  });

  test('measures regressions and classes', () => {
    const metrics = [
      'priceReport.rmse',
      'priceReport.mae',
      'priceReport.r2',
      'heatingReport.logLoss',
      'heatingReport.accuracy',
    ];
    for (const metric of metrics)
      expect({ metric, value: run.metrics[metric] }).toEqual({ metric, value: expect.any(Number) });
  });

  test('scores every row: one target, several targets, several classes', async () => {
    const [one = []] = await query('SELECT count(*), count(prediction) FROM pricePredictions');
    expect(one.map(Number)).toEqual([count, count]);
    const [several = []] = await query(
      'SELECT corr(p.prediction_price, r.price), corr(p.prediction_rent, r.rent) FROM bothPredictions p JOIN rows r USING (flat_id)',
    );
    for (const correlation of several) expect(correlation).toBeGreaterThan(0.9);
    const classes = await query(
      'SELECT DISTINCT "class" FROM heatingPredictions WHERE probability BETWEEN 0.333 AND 1',
    );
    expect(['district', 'gas', 'oil']).toEqual(expect.arrayContaining(classes.flat()));
    expect((await query('SELECT count(*) FROM heatingPredictions'))[0]!.map(Number)).toEqual([count]);
  });
});
