import { mkdtemp, open, rm, utimes } from 'node:fs/promises';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { definePipeline, parquet, sql } from '../../pipelines/index.js';
import { compilePlan } from '../../pipelines/plan/compile.js';
import { t } from '../../pipelines/types.js';
import { writePlan } from '../../workflows/bundle/prepare-pipeline.js';
import { startRun } from '../../workflows/embedded/run-plan.js';
import { openServices } from '../../workflows/services.js';
import { type BenchOptions, type BenchResult, benchResult, pairUp, type Spent, spentOn } from './bench-result.js';
import { inFreshNode } from './fresh-process.js';

const salesRows = 4_000_000;
const customerRows = 500_000;
const threads = availableParallelism();
/** As the stage writes: DuckDB's own size, by name. */
const rowGroupSize = 122_880;
/** As the embedded host: half of the machine. */
const memoryLimitMb = Math.max(512, Math.floor(totalmem() / 2 / 2 ** 20));

type CaseName = 'filter' | 'group' | 'join';

interface Job {
  readonly directory: string;
  readonly name: CaseName;
  /** Leaves one row out, so that no result was ever there before. */
  readonly without: number;
}

interface Outcome extends Spent {
  readonly file: string;
}

const titles: Readonly<Record<CaseName, string>> = {
  filter: 'filter and projection, 4M rows → 2.9M',
  group: 'GROUP BY, 4M rows → 500k groups',
  join: 'JOIN, 4M × 500k rows → 1M',
};

/**
 * One SQL stage through the embedded host against bare DuckDB that writes the same ordered rows to Parquet of the same
 * format (version, compression, row groups), then fsyncs. Each side runs in a process of its own that has warmed its engine up with one row. Ours
 * beside that proves casts and key, digests every column and commits the artifact.
 *
 * @param options.pairs - default 7.
 */
export async function run(options: BenchOptions = {}): Promise<BenchResult[]> {
  const { pairs = 7, only = '' } = options;
  const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  try {
    await makeTables(directory);
    const results: BenchResult[] = [];
    let without = 0;
    for (const name of Object.keys(titles) as CaseName[]) {
      if (!titleOf(name).includes(only)) continue;
      // The first process hashes the sources; later ones find that remembered.
      await inFreshNode<Outcome>(import.meta.url, 'ours', { directory, name, without: without++ });
      const times = await pairsOf(directory, name, pairs, () => without++, ['ours', 'rival']);
      results.push(
        benchResult(
          {
            name: titleOf(name),
            unit: 's',
            setting: `rival and limit: bare DuckDB, COPY (… ORDER BY key) as Parquet version 2 with zstd and the same row groups, fsync; ${threads} threads; fresh processes; equal counts and checksums; target 0.97; ${pairs} pairs`,
            limit: Math.min(...wall(times.rival)),
          },
          pairUp(wall(times.ours), wall(times.rival), 'less'),
        ),
        benchResult(
          {
            name: `${titleOf(name)}, by CPU time`,
            unit: 's of processor time',
            setting: `as above; holds on a busy machine too; ${pairs} pairs`,
          },
          pairUp(cpu(times.ours), cpu(times.rival), 'less'),
        ),
      );
    }
    if ('sql: null test'.includes(only)) {
      const same = await pairsOf(directory, 'filter', pairs, () => without++, ['rival', 'rival']);
      results.push(
        benchResult(
          { name: 'sql: null test, bare DuckDB twice', unit: 's', setting: `filter and projection; ${pairs} pairs` },
          pairUp(wall(same.ours), wall(same.rival), 'less'),
        ),
      );
    }
    return results;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function wall(spent: readonly Spent[]): number[] {
  return spent.map((one) => one.seconds);
}

function cpu(spent: readonly Spent[]): number[] {
  return spent.map((one) => one.cpuSeconds);
}

function titleOf(name: CaseName): string {
  return `sql: ${titles[name]}`;
}

async function pairsOf(
  directory: string,
  name: CaseName,
  pairs: number,
  next: () => number,
  sides: readonly ['ours' | 'rival', 'ours' | 'rival'],
): Promise<{ ours: Spent[]; rival: Spent[] }> {
  const times = { ours: [] as Spent[], rival: [] as Spent[] };
  for (let pair = 0; pair < pairs; pair++) {
    const without = next();
    const job: Job = { directory, name, without };
    const measure = (side: 0 | 1): Promise<Outcome> => inFreshNode<Outcome>(import.meta.url, sides[side], job);
    const first = pair % 2 === 0 ? 0 : 1;
    const one = await measure(first);
    const sum = await checksum(one.file);
    const other = await measure(first === 0 ? 1 : 0);
    if (sum !== (await checksum(other.file))) throw new Error(`sql ${name}: both sides hold different rows`);
    times.ours.push(first === 0 ? one : other);
    times.rival.push(first === 0 ? other : one);
    await rm(join(directory, 'store', 'artifacts'), { recursive: true, force: true });
  }
  return times;
}

/** Sales and customers, seeded by the row's number. */
async function makeTables(directory: string): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const write = async (name: string, select: string): Promise<void> => {
    const file = join(directory, `${name}.parquet`);
    await connection.run(`COPY (${select}) TO '${file}' (FORMAT parquet, COMPRESSION zstd)`);
    // Remembered digests are of files that have not changed for two seconds.
    const before = Date.now() / 1000 - 60;
    await utimes(file, before, before);
  };
  await write(
    'sales',
    `SELECT i AS id, (hash(i) % ${customerRows})::INTEGER AS customer, (hash(i + 1) % 20000)::INTEGER AS product,
       (1 + hash(i + 2) % 10)::INTEGER AS quantity, (hash(i + 3) % 100000)::INTEGER AS cents,
       TIMESTAMP '2026-01-01' + INTERVAL (i % 31536000) SECOND AS sold,
       ['north', 'south', 'east', 'west'][1 + (hash(i + 4) % 4)::INTEGER] AS region FROM range(${salesRows}) r(i)`,
  );
  await write(
    'customers',
    `SELECT i::INTEGER AS customer, ['free', 'team', 'business'][1 + (hash(i) % 3)::INTEGER] AS plan,
       (18 + hash(i + 5) % 70)::INTEGER AS age FROM range(${customerRows}) r(i)`,
  );
  connection.closeSync();
  instance.closeSync();
}

async function checksum(file: string): Promise<string> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const rows = (
    await connection.runAndReadAll(
      `SELECT count(*), bit_xor(hash(r)), sum(hash(r, file_row_number)::HUGEINT) FROM (SELECT r, file_row_number FROM read_parquet('${file}', file_row_number = true) r)`,
    )
  ).getRows();
  connection.closeSync();
  instance.closeSync();
  return String(rows[0]);
}

/** @internal Runs in a process of its own. */
export async function ours(job: Job): Promise<Outcome> {
  await using services = await openServices({ directory: join(job.directory, 'store'), threads, memoryLimitMb });
  const drive = async (pipeline: unknown): Promise<Outcome> => {
    const plan = compilePlan(pipeline as never, {}, () => null);
    const digest = await writePlan(services, plan);
    let file = '';
    const spent = await spentOn(async () => {
      const { status, stages } = await startRun(
        services,
        { plan, digest },
        {
          root: job.directory,
          bundle: null,
          useCache: true,
          from: null,
          signal: new AbortController().signal,
          onEvent: () => {},
        },
      );
      const stage = stages.at(-1);
      if (status !== 'succeeded' || stage?.status !== 'succeeded')
        throw new Error(`the stage ended ${stage?.status}: ${stage?.error?.message}`);
      const artifact = await services.artifacts.open(stage.outputs[0]?.digest ?? '');
      file = join(artifact.directory, 'part-00000.parquet');
    });
    return { ...spent, file };
  };
  await drive(
    definePipeline({
      name: 'warm',
      build: () => ({
        rows: sql`SELECT ${BigInt(process.pid)} AS x, ${BigInt(Date.now())} AS y`.as({ x: t.int64, y: t.int64 }),
      }),
    }),
  );
  return await drive(pipelineOf(job));
}

function pipelineOf({ name, without }: Job): unknown {
  return definePipeline({
    name: 'sql-bench',
    build: () => {
      const sales = parquet('sales.parquet');
      const left = BigInt(without);
      if (name === 'filter') {
        return {
          rows: sql`SELECT id, customer, region, quantity * cents AS amount, sold FROM ${sales}
            WHERE quantity > 2 AND cents < 90000 AND id <> ${left}`.as(
            { id: t.int64, customer: t.int32, region: t.string, amount: t.int32, sold: t.timestamp },
            { key: 'id' },
          ),
        };
      }
      if (name === 'group') {
        return {
          rows: sql`SELECT customer, count(*) AS sales, sum(quantity)::BIGINT AS items, sum(cents)::BIGINT AS cents, max(sold) AS last
            FROM ${sales} WHERE id <> ${left} GROUP BY customer`.as(
            { customer: t.int32, sales: t.int64, items: t.int64, cents: t.int64, last: t.timestamp },
            { key: 'customer' },
          ),
        };
      }
      const customers = parquet('customers.parquet');
      return {
        rows: sql`SELECT s.id, s.customer, c.plan, c.age, s.quantity, s.sold
          FROM ${sales} s JOIN ${customers} c ON s.customer = c.customer
          WHERE s.region = 'north' AND s.id <> ${left}`.as(
          { id: t.int64, customer: t.int32, plan: t.string, age: t.int32, quantity: t.int32, sold: t.timestamp },
          { key: 'id' },
        ),
      };
    },
  });
}

/** @internal Runs in a process of its own. */
export async function rival({ directory, name, without }: Job): Promise<Outcome> {
  const sales = `'${join(directory, 'sales.parquet')}'`;
  const select = {
    filter: `SELECT id, customer, region, quantity * cents AS amount, sold FROM ${sales}
      WHERE quantity > 2 AND cents < 90000 AND id <> ${without} ORDER BY id`,
    group: `SELECT customer, count(*) AS sales, sum(quantity)::BIGINT AS items, sum(cents)::BIGINT AS cents, max(sold) AS last
      FROM ${sales} WHERE id <> ${without} GROUP BY customer ORDER BY customer`,
    join: `SELECT s.id, s.customer, c.plan, c.age, s.quantity, s.sold
      FROM ${sales} s JOIN '${join(directory, 'customers.parquet')}' c ON s.customer = c.customer
      WHERE s.region = 'north' AND s.id <> ${without} ORDER BY s.id`,
  }[name];
  const file = join(directory, 'rival.parquet');
  await copyDurably('SELECT 1 AS x ORDER BY 1', join(directory, 'warm.parquet'));
  await rm(file, { force: true });
  return { ...(await spentOn(() => copyDurably(select, file))), file };
}

async function copyDurably(select: string, file: string): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:', {
    threads: String(threads),
    memory_limit: `${memoryLimitMb}MiB`,
  });
  const connection = await instance.connect();
  await connection.run(
    `COPY (${select}) TO '${file}' (FORMAT parquet, PARQUET_VERSION V2, COMPRESSION zstd, ROW_GROUP_SIZE ${rowGroupSize})`,
  );
  connection.closeSync();
  instance.closeSync();
  const handle = await open(file, 'r+');
  await handle.sync();
  await handle.close();
}
