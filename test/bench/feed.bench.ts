import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DuckDBInstance } from '@duckdb/node-api';
import { type FeedRequest, type FeedTensor, writeFeed } from '../../native/ts/feed.js';
import { duckdbLibrary, loadFeedAddon } from '../../native/ts/feed-addon.js';
import { blockOf, createShards, shardHeader } from '../../native/ts/feed-files.js';
import { python } from '../peers/python.js';
import {
  type BenchOptions,
  type BenchResult,
  benchResult,
  pairUp,
  type Spent,
  seconds,
  spentOn,
} from './bench-result.js';
import { inFreshNode, inFreshPython } from './fresh-process.js';

const rows = 5_000_000;
const width = 20;
const threads = availableParallelism();
const memoryLimitMb = 2048;
const columns = Array.from({ length: width }, (_, index) => `f${index}`);
const feedMb = (rows * width * 4) / 2 ** 20;
const tensor: FeedTensor = { name: 'float', dtype: 'F32', width, isFlat: false };

interface Job {
  readonly directory: string;
  readonly digest: boolean;
}

interface Outcome extends Spent {
  readonly peakMb: number;
  /** Of all rows' bytes, where asked for. */
  readonly sha256: string | null;
}

/**
 * 5M × 20 float32 from Parquet (zstd) to rows in memory order: ours to safetensors shards in the page cache, the rivals to
 * one numpy array. The second pass of a process is timed on all sides, and beside it ours as a stage runs it: a new child
 * process, which loads DuckDB first. The bytes of all rows are compared once. A null test measures ours twice.
 *
 * @param options.pairs - default 7.
 */
export async function run(options: BenchOptions = {}): Promise<BenchResult[]> {
  const { pairs = 7 } = options;
  const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  try {
    const limit = await makeTable(directory);
    const measured = {
      warm: [] as Outcome[],
      again: [] as Outcome[],
      whole: [] as Outcome[],
      polars: [] as Outcome[],
      pyarrow: [] as Outcome[],
    };
    const sides = Object.keys(measured) as (keyof typeof measured)[];
    for (let pair = 0; pair < pairs; pair++) {
      const digest = pair === 0;
      for (const side of pair % 2 === 0 ? sides : [...sides].reverse()) {
        measured[side].push(await measure(side, { directory, digest }));
      }
      const digests = new Set(sides.map((side) => measured[side].at(-1)?.sha256));
      if (digest && digests.size !== 1) throw new Error('feed: the sides hold different bytes');
    }
    const times = (side: keyof typeof measured): number[] => measured[side].map((one) => one.seconds);
    const cpus = (side: keyof typeof measured): number[] => measured[side].map((one) => one.cpuSeconds);
    const peaks = (side: keyof typeof measured): number[] => measured[side].map((one) => one.peakMb);
    const about = (name: string, setting: string, bound?: number) => ({
      name: `feed: 5M × 20, ${name}`,
      unit: 's',
      setting: `${setting}; ${threads} threads; fresh processes; equal bytes; ${pairs} pairs`,
      ...(bound === undefined ? {} : { limit: bound }),
    });
    const decode = 'limit: DuckDB decodes the same columns and adds them up';
    return [
      benchResult(
        about('against polars', `both second pass; ${decode}; target 1.1`, limit),
        pairUp(times('warm'), times('polars'), 'less'),
      ),
      benchResult(
        about(
          'against warm pyarrow',
          `the better of iter_batches and row groups; both second pass; ${decode}; target 0.85`,
          limit,
        ),
        pairUp(times('warm'), times('pyarrow'), 'less'),
      ),
      ...(['polars', 'pyarrow'] as const).map((side) =>
        benchResult(
          {
            ...about(`against ${side}, by CPU time`, 'both second pass; holds on a busy machine too'),
            unit: 's of processor time',
          },
          pairUp(cpus('warm'), cpus(side), 'less'),
        ),
      ),
      benchResult(
        about('null test, ours twice', 'both second pass; 1.00 ± 0.05 where the machine can be believed'),
        pairUp(times('warm'), times('again'), 'less'),
      ),
      benchResult(
        about('as a stage runs it, against polars', 'ours with start of its process, rival second pass', limit),
        pairUp(times('whole'), times('polars'), 'less'),
      ),
      benchResult(
        {
          ...about(
            'peak memory',
            `of the child, without the page cache; rival: polars; limit: the feed itself; target 1.2 × the feed = ${Math.round(1.2 * feedMb)} MiB`,
            feedMb,
          ),
          unit: 'MiB',
        },
        pairUp(peaks('whole'), peaks('polars'), 'less'),
      ),
    ];
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function measure(side: 'warm' | 'again' | 'whole' | 'polars' | 'pyarrow', job: Job): Promise<Outcome> {
  if (side === 'warm' || side === 'again') return inFreshNode<Outcome>(import.meta.url, 'secondPass', job);
  if (side === 'whole') return wholeChild(job);
  const script = fileURLToPath(new URL('../../test/bench/feed-peers.py', import.meta.url));
  const argument = { peer: side, file: tableOf(job.directory), rows, columns, threads, digest: job.digest };
  const env = { ...process.env, POLARS_MAX_THREADS: String(threads) };
  return inFreshPython<Outcome>(await python(), script, argument, { env });
}

function tableOf(directory: string): string {
  return join(directory, 'table', 'part.parquet');
}

/** Seeded by the row's number. Gives the time in which DuckDB only decodes, the best of three. */
async function makeTable(directory: string): Promise<number> {
  await mkdir(join(directory, 'table'));
  const instance = await DuckDBInstance.create(':memory:', { threads: String(threads) });
  const connection = await instance.connect();
  const list = columns.map(
    (name, index) => `((hash(i * ${width} + ${index}) % 16777216)::FLOAT / 8388608 - 1)::FLOAT AS ${name}`,
  );
  await connection.run(
    `COPY (SELECT ${list.join(', ')} FROM range(${rows}) r(i)) TO '${tableOf(directory)}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)`,
  );
  const sums = columns.map((name) => `sum(${name})`).join(', ');
  const times: number[] = [];
  for (let time = 0; time < 3; time++) {
    times.push(await seconds(() => connection.runAndReadAll(`SELECT ${sums} FROM '${tableOf(directory)}'`)));
  }
  connection.closeSync();
  instance.closeSync();
  return Math.min(...times);
}

function requestOf(directory: string, target: string): FeedRequest {
  return {
    rows,
    readable: [join(directory, 'table')],
    threads,
    memoryLimitMb,
    partsSql: null,
    rowsSql: `SELECT sum(feed_row(file_row_number, ${columns.join(', ')}, TRUE)) FROM read_parquet('${tableOf(directory)}', file_row_number = true)`,
    tensors: [tensor],
    parts: [{ name: 'all', code: 1 }],
    directory: target,
    digests: false,
  };
}

/** The child process as the feed's stage starts it. */
async function wholeChild({ directory, digest }: Job): Promise<Outcome> {
  const target = await mkdtemp(join(directory, 'whole-'));
  let peakMb = 0;
  const time = await seconds(async () => {
    const response = await writeFeed(requestOf(directory, target), { signal: new AbortController().signal });
    if (response.problems.length > 0 || response.parts['all']?.rows !== rows) throw new Error('feed: not all rows');
    peakMb = response.peakMb;
  });
  const sha256 = digest ? await digestOf(target) : null;
  await rm(target, { recursive: true });
  return { seconds: time, cpuSeconds: Number.NaN, peakMb, sha256 };
}

/** @internal Runs in a process of its own: the native sink twice, the second pass timed. */
export async function secondPass({ directory, digest }: Job): Promise<Outcome> {
  const { FeedSession } = loadFeedAddon();
  let spent: Spent = { seconds: 0, cpuSeconds: 0 };
  let sha256: string | null = null;
  for (let pass = 0; pass < 2; pass++) {
    const target = await mkdtemp(join(directory, 'warm-'));
    const request = requestOf(directory, target);
    spent = await spentOn(async () => {
      const session = new FeedSession(
        duckdbLibrary(),
        [`SET threads = ${threads}`, 'SET preserve_insertion_order = false'],
        rows,
      );
      const shards = await createShards(target, 'all', 1, rows, [tensor]);
      const { problems } = await session.write({
        sql: request.rowsSql,
        blocks: [blockOf(tensor)],
        targets: [shards.target],
      });
      if (problems.length > 0) throw new Error('feed: bad values');
    });
    if (digest && pass === 1) sha256 = await digestOf(target);
    await rm(target, { recursive: true });
  }
  return { ...spent, peakMb: process.resourceUsage().maxRSS / 1024, sha256 };
}

/** The values of all shards, in order. */
async function digestOf(target: string): Promise<string> {
  const hash = createHash('sha256');
  for (let start = 0, shard = 0; start < rows; start += 2 ** 20, shard++) {
    const { offsets } = shardHeader([tensor], Math.min(2 ** 20, rows - start));
    const path = join(target, `all-${String(shard).padStart(5, '0')}.safetensors`);
    for await (const chunk of createReadStream(path, { start: offsets[0] ?? 0, highWaterMark: 2 ** 20 }))
      hash.update(chunk as Buffer);
  }
  return hash.digest('hex');
}
