import { describe, expect, it } from 'vitest';
import {
  affordableResamples,
  bootstrapIntervals,
  intervalOf,
  visitResamples,
} from '../../../../operators/evaluate/bootstrap.js';
import { weightedMean } from '../../../../operators/evaluate/metrics/row-mean.js';
import { createRandom, shuffledIndices } from '../../../../operators/evaluate/random.js';

const { signal } = new AbortController();
const mean = (values: Float64Array) => {
  const evaluator = weightedMean(values);
  return { names: ['mean'], evaluate: (weight: Float64Array) => ({ mean: evaluator(weight) }) };
};
const ones = (rows: number) => new Float64Array(rows).fill(1);
const normal = (rows: number, seed: number) => {
  const random = createRandom(seed, 0);
  return Float64Array.from({ length: rows }, () =>
    Array.from({ length: 12 }, () => random.next() / 2 ** 32).reduce((a, b) => a + b, -6),
  );
};

describe('bootstrapIntervals', () => {
  it('of a mean are close to the mean ± 1.96 standard errors', async () => {
    const values = normal(2000, 5);
    const center = weightedMean(values)(ones(2000));
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - center) ** 2, 0) / 2000);
    const [found] = await bootstrapIntervals({ rows: 2000, weight: ones(2000), resamples: 2000, seed: 1, signal }, [
      { ...mean(values), rows: null },
    ]);
    expect(Math.abs(found!['mean']!.low - (center - (1.96 * deviation) / Math.sqrt(2000)))).toBeLessThan(0.004);
    expect(Math.abs(found!['mean']!.high - (center + (1.96 * deviation) / Math.sqrt(2000)))).toBeLessThan(0.004);
  });

  it('covers the true mean in about 95 of 100 samples', async () => {
    let covered = 0;
    for (let sample = 0; sample < 200; sample++) {
      const [found] = await bootstrapIntervals({ rows: 200, weight: ones(200), resamples: 300, seed: sample, signal }, [
        { ...mean(normal(200, sample)), rows: null },
      ]);
      if (found!['mean']!.low <= 0 && found!['mean']!.high >= 0) covered++;
    }
    expect(covered).toBeGreaterThan(180);
    expect(covered).toBeLessThan(199);
  });

  it('are equal for equal seeds and differ for others', async () => {
    const run = (seed: number) =>
      bootstrapIntervals({ rows: 50, weight: ones(50), resamples: 100, seed, signal }, [
        { ...mean(normal(50, 1)), rows: null },
      ]);
    expect(await run(3)).toEqual(await run(3));
    expect(await run(3)).not.toEqual(await run(4));
  });

  it('weigh the rows of a slice in its own order', async () => {
    const values = normal(300, 2);
    const rows = Uint32Array.from({ length: 100 }, (_, i) => i * 3);
    const part = Float64Array.from(rows, (row) => values[row]!);
    const seen: number[] = [];
    const evaluate = (weight: Float64Array) => {
      seen.push(weight.length);
      return { mean: weightedMean(part)(weight) };
    };
    const [found] = await bootstrapIntervals({ rows: 300, weight: ones(300), resamples: 200, seed: 0, signal }, [
      { names: ['mean'], evaluate, rows },
    ]);
    expect(new Set(seen)).toEqual(new Set([100]));
    expect(found!['mean']!.low).toBeLessThan(weightedMean(part)(ones(100)));
  });

  it('are null for a metric that is undefined in half of the resamples', () => {
    expect(intervalOf(Float64Array.of(1, Number.NaN))).toBeNull();
    expect(intervalOf(Float64Array.of(1, 1, Number.NaN))).toEqual({ low: 1, high: 1 });
    expect(intervalOf(new Float64Array(0))).toBeNull();
  });

  it('stop with CANCELLED', async () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 20);
    await expect(
      visitResamples(
        { rows: 1000, weight: ones(1000), resamples: 1e7, seed: 0, signal: controller.signal },
        () => undefined,
      ),
    ).rejects.toMatchObject({
      code: 'CANCELLED',
      message: 'evaluate.bootstrap: expected to run to its end; received a cancellation.',
    });
  });
});

describe('visitResamples', () => {
  it('draws as many rows as there are', async () => {
    const sums: number[] = [];
    await visitResamples({ rows: 77, weight: ones(77), resamples: 5, seed: 9, signal }, (weight) =>
      sums.push(weight.reduce((a, b) => a + b, 0)),
    );
    expect(sums).toEqual([77, 77, 77, 77, 77]);
  });
});

describe('affordableResamples', () => {
  it('takes fewer for many rows, at least 200, and never more than asked for', () => {
    expect(affordableResamples(1000, 16_000 * 10)).toBe(1000);
    expect(affordableResamples(1000, 1e7)).toBe(300);
    expect(affordableResamples(1000, 1e9)).toBe(200);
    expect(affordableResamples(50, 1e9)).toBe(50);
    expect(affordableResamples(0, 1)).toBe(0);
  });
});

describe('shuffledIndices', () => {
  it('is a permutation, each position equally likely', () => {
    expect([...shuffledIndices(100, createRandom(1, 2))].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 100 }, (_, i) => i),
    );
    const first = new Map<number, number>();
    for (let seed = 0; seed < 4000; seed++) {
      const index = shuffledIndices(4, createRandom(seed, 0))[0]!;
      first.set(index, (first.get(index) ?? 0) + 1);
    }
    for (const count of first.values()) expect(Math.abs(count - 1000)).toBeLessThan(120);
  });

  it('is empty for none', () => {
    expect(shuffledIndices(0, createRandom(1, 2))).toHaveLength(0);
  });
});
