import { performance } from 'node:perf_hooks';

/** How a benchmark is run. */
export interface BenchOptions {
  /** How many pairs are measured; five or more make a claim. */
  readonly pairs?: number;
  /** Only cases whose name holds this text. */
  readonly only?: string;
}

/** One case of a benchmark: ours against a rival, in the same run, on the same machine. */
export interface BenchResult {
  readonly name: string;
  /** Median over the pairs, in `unit`. */
  readonly ours: number;
  readonly rival: number;
  /** What `ours` and `rival` count: "requests/s", "s". */
  readonly unit: string;
  /** How many times better ours is, over the pairs. */
  readonly ratio: Spread;
  /** What bounds ours (memory bandwidth, a floor of the protocol), in `unit`, and how near ours is; null where none was measured. */
  readonly limit: number | null;
  readonly fractionOfLimit: number | null;
  /** Machine, sizes, versions: what a reader needs to repeat it. */
  readonly setting: string;
}

export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

export interface Alternation {
  readonly ours: readonly number[];
  readonly rival: readonly number[];
  /** rival / ours of each pair where less is better, ours / rival where more is. */
  readonly ratio: Spread;
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  if (sorted.length === 0) throw new RangeError('a spread needs at least one value');
  const middle = Math.floor(sorted.length / 2);
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, low: sorted[0]!, high: sorted.at(-1)! };
}

/**
 * Runs both in turn, so that what changes on the machine meanwhile meets both. The first of a pair alternates.
 *
 * @param pairs - how many pairs are measured; five or more make a claim.
 * @param better - 'more' for rates, 'less' for times.
 */
export async function alternate(
  pairs: number,
  ours: () => Promise<number>,
  rival: () => Promise<number>,
  better: 'more' | 'less' = 'less',
): Promise<Alternation> {
  const results: { ours: number[]; rival: number[] } = { ours: [], rival: [] };
  for (let pair = 0; pair < pairs; pair++) {
    const order = pair % 2 === 0 ? (['ours', 'rival'] as const) : (['rival', 'ours'] as const);
    for (const side of order) results[side].push(await (side === 'ours' ? ours() : rival()));
  }
  return pairUp(results.ours, results.rival, better);
}

/** Values that were measured in pairs, with the ratio of each pair. */
export function pairUp(ours: readonly number[], rival: readonly number[], better: 'more' | 'less'): Alternation {
  const ratios = ours.map((value, index) => {
    const other = rival[index]!;
    return better === 'more' ? value / other : other / value;
  });
  return { ours, rival, ratio: spread(ratios) };
}

/** How long `work` takes, in seconds. */
export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** Elapsed time, and the processor time that all threads of this process took meanwhile, in seconds. */
export interface Spent {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

export async function spentOn(work: () => Promise<unknown>): Promise<Spent> {
  const before = process.cpuUsage();
  const elapsed = await seconds(work);
  const { user, system } = process.cpuUsage(before);
  return { seconds: elapsed, cpuSeconds: (user + system) / 1e6 };
}

/** A result of pairs; `limit` in the same unit as the values. */
export function benchResult(
  about: { readonly name: string; readonly unit: string; readonly setting: string; readonly limit?: number },
  pairs: Alternation,
  better: 'more' | 'less' = 'less',
): BenchResult {
  const ours = spread(pairs.ours).median;
  const limit = about.limit ?? null;
  return {
    name: about.name,
    ours,
    rival: spread(pairs.rival).median,
    unit: about.unit,
    ratio: pairs.ratio,
    limit,
    fractionOfLimit: limit === null ? null : better === 'more' ? ours / limit : limit / ours,
    setting: about.setting,
  };
}

/** Prints results as JSON, one object a case. */
export function printResults(results: readonly BenchResult[]): void {
  for (const result of results) console.log(JSON.stringify(result));
}
