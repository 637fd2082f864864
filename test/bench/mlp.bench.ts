import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { flopPerRow, resolveGradientShards } from '../../native/ts/gradient-shards.js';
import { trainInProcess } from '../../native/ts/train-in-process.js';
import type { FeedMeta } from '../../pipelines/contracts/training.js';
import { pythonWithTorch } from '../peers/python.js';
import { type BenchOptions, type BenchResult, benchResult, pairUp } from './bench-result.js';
import { inFreshNode, inFreshPython } from './fresh-process.js';
import { mlpFit, mlpLearningRate, mlpSeed, mlpStatistics, writeMlpFeed } from './mlp-fit.js';

const rows = { train: 131_072, validation: 8_192 };
const batchSizes = [64, 1024, 8192];
/** The first epoch warms up and is not timed. */
const epochs = 4;
/** Both sides begin with other weights and shuffle in another order. */
const lossTolerance = 0.1;

const targets: Readonly<Record<'sliced' | 'loader', Readonly<Record<number, readonly number[]>>>> = {
  sliced: { 1: [1.6, 1.1, 1.1], 2: [1.6, 1.25, 1.15] },
  loader: { 1: [2, 2.5, 2.5], 2: [2, 2.5, 2.5] },
};

interface Job {
  readonly directory: string;
  readonly feed: FeedMeta;
  readonly threads: number;
  readonly batchSize: number;
}

interface Outcome {
  readonly rowsPerSecond: number;
  readonly rowsPerCpuSecond: number;
  readonly validationLoss: number;
}

/**
 * Training of an MLP 64-256-128-1 (binary, Adam, float32) from a feed of 131,072 rows: what a rank of the fit operator
 * runs, against PyTorch on slices of a tensor that is shuffled once an epoch (fused Adam), and PyTorch with a DataLoader.
 * Every measurement is a process of its own. Ours includes shuffling, validation, histograms and checkpoints.
 * The limit is the machine's product of 4096 × 4096 matrices with as many threads.
 *
 * @param options.pairs - default 5.
 */
export async function run(options: BenchOptions = {}): Promise<BenchResult[]> {
  const { pairs = 5, only = '' } = options;
  const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  try {
    const feed = writeMlpFeed(directory, rows);
    const results: BenchResult[] = [];
    for (const threads of [1, 2]) {
      for (const [index, batchSize] of batchSizes.entries()) {
        if (!nameOf(batchSize, threads).includes(only)) continue;
        const job: Job = { directory, feed, threads, batchSize };
        const measured = { ours: [] as Outcome[], sliced: [] as Outcome[], loader: [] as Outcome[] };
        const gflops: number[] = [];
        for (let pair = 0; pair < pairs; pair++) {
          process.stderr.write(`mlp: ${threads} threads, batch ${batchSize}, pair ${pair + 1} of ${pairs}\n`);
          const sides = ['ours', 'sliced', 'loader'] as const;
          for (const side of pair % 2 === 0 ? sides : [...sides].reverse()) {
            measured[side].push(await (side === 'ours' ? ours(job) : rival(job, side)));
          }
          checkLosses(
            job,
            Object.values(measured).map((side) => side.at(-1)?.validationLoss ?? Number.NaN),
          );
          gflops.push((await peer<{ gflops: number }>(job, 'sgemm')).gflops);
        }
        const flop = flopPerRow(mlpFit(batchSize, epochs).fit.graph, {});
        const limit = (Math.max(...gflops) * 1e9) / flop;
        const rates = (side: keyof typeof measured): number[] => measured[side].map((one) => one.rowsPerSecond);
        const cpuRates = (side: keyof typeof measured): number[] => measured[side].map((one) => one.rowsPerCpuSecond);
        for (const side of ['sliced', 'loader'] as const) {
          const against = side === 'sliced' ? 'sliced tensors' : 'DataLoader';
          const target = targets[side][threads]?.[index];
          results.push(
            benchResult(
              {
                name: `${nameOf(batchSize, threads)}, ${against}`,
                unit: 'rows/s',
                limit,
                setting: `rival: PyTorch, ${against}, fused Adam; limit: SGEMM ${Math.max(...gflops).toFixed(0)} GFLOP/s at ${(flop / 1000).toFixed(0)} kFLOP a row; validation loss ${measured.ours[0]?.validationLoss.toFixed(3)} and ${measured[side][0]?.validationLoss.toFixed(3)}; target ${target}; ${pairs} pairs`,
              },
              pairUp(rates('ours'), rates(side), 'more'),
              'more',
            ),
            benchResult(
              {
                name: `${nameOf(batchSize, threads)}, ${against}, by CPU time`,
                unit: 'rows a second of processor time',
                setting: `as above; holds on a busy machine too; ${pairs} pairs`,
              },
              pairUp(cpuRates('ours'), cpuRates(side), 'more'),
              'more',
            ),
          );
        }
      }
    }
    if ('mlp: null test'.includes(only))
      results.push(await nullTest({ directory, feed, threads: 1, batchSize: 1024 }, pairs));
    return results;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function nameOf(batchSize: number, threads: number): string {
  return `mlp: batch ${batchSize}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`;
}

function checkLosses(job: Job, losses: readonly number[]): void {
  const [low, high] = [Math.min(...losses), Math.max(...losses)];
  if (high - low <= lossTolerance * high) return;
  throw new Error(
    `mlp, batch ${job.batchSize}: the sides learned different things, validation losses ${losses.join(', ')}`,
  );
}

async function nullTest(job: Job, pairs: number): Promise<BenchResult> {
  const first: number[] = [];
  const second: number[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    first.push((await ours(job)).rowsPerSecond);
    second.push((await ours(job)).rowsPerSecond);
  }
  const about = {
    name: 'mlp: null test, ours twice',
    unit: 'rows/s',
    setting: `batch ${job.batchSize}, ${job.threads} thread; ${pairs} pairs`,
  };
  return benchResult(about, pairUp(first, second, 'more'), 'more');
}

/** As native/ts/rank-process starts a rank. */
function ours(job: Job): Promise<Outcome> {
  const env = { ...process.env, OMP_WAIT_POLICY: 'passive', OMP_NUM_THREADS: '1', MKL_NUM_THREADS: '1' };
  return inFreshNode<Outcome>(import.meta.url, 'trainOurs', job, { env });
}

/** @internal Runs in a process of its own, as a rank does. */
export async function trainOurs({ directory, feed, threads, batchSize }: Job): Promise<Outcome> {
  const { fit, training } = mlpFit(batchSize, epochs);
  const scratch = await mkdtemp(join(directory, 'run-'));
  const ends: { readonly at: number; readonly cpu: number }[] = [];
  const { promise } = trainInProcess(
    {
      fit,
      statistics: mlpStatistics,
      feedDirectory: directory,
      feed,
      training,
      gradientShards: resolveGradientShards(fit.graph, {}, batchSize),
      dtype: 'float32',
      initialWeights: null,
      checkpointDirectory: join(scratch, 'checkpoints'),
      weightsPath: join(scratch, 'weights.safetensors'),
      threads,
      device: 'cpu',
    },
    (event) => {
      const { user, system } = process.cpuUsage();
      if (event.kind === 'epoch') ends.push({ at: performance.now() / 1000, cpu: (user + system) / 1e6 });
    },
  );
  const { validationLoss } = await promise;
  await rm(scratch, { recursive: true });
  const [first, last] = [ends[0], ends.at(-1)];
  if (first === undefined || last === undefined) throw new Error('mlp: no epoch ended');
  const trained = rows.train * (epochs - 1);
  return {
    rowsPerSecond: trained / (last.at - first.at),
    rowsPerCpuSecond: trained / (last.cpu - first.cpu),
    validationLoss,
  };
}

function rival(job: Job, side: 'sliced' | 'loader'): Promise<Outcome> {
  return peer<Outcome>(job, side);
}

async function peer<T>({ directory, feed, threads, batchSize }: Job, name: 'sliced' | 'loader' | 'sgemm'): Promise<T> {
  const script = fileURLToPath(new URL('../../test/bench/mlp-torch.py', import.meta.url));
  const fileOf = (part: 'train' | 'validation'): string => join(directory, feed.splits[part].shards[0]?.path ?? '');
  const argument = {
    peer: name,
    train: fileOf('train'),
    validation: fileOf('validation'),
    threads,
    batchSize,
    epochs,
    learningRate: mlpLearningRate,
    seed: mlpSeed,
  };
  const env = { ...process.env, OMP_NUM_THREADS: String(threads), MKL_NUM_THREADS: String(threads) };
  return inFreshPython<T>(await pythonWithTorch(), script, argument, { env });
}
