import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type RunObject, repository, runJson, temporaryDirectory } from '../../support/cli.js';

const data = resolve(repository, process.env['MILLRACE_DATA'] ?? '../shared/data');
const isLong = process.env['MILLRACE_LONG'] === '1';

interface Bar {
  readonly title: string;
  readonly example: string;
  readonly folder: string;
  readonly metric: string;
  readonly atLeast?: number;
  readonly atMost?: number;
  /** The parameters of every run. */
  readonly runs: readonly (readonly string[])[];
  /** One run of it is quick enough for `npm test`. */
  readonly isQuick: boolean;
}

const seeds = (name: string, count: number, ...more: readonly string[]): readonly (readonly string[])[] =>
  Array.from({ length: count }, (_, index) => [`${name}=${index + 1}`, ...more]);

const bars: readonly Bar[] = [
  {
    title: 'census-income: AUC',
    example: 'census-income',
    folder: 'adult',
    metric: 'auc',
    atLeast: 0.918,
    runs: seeds('seed', 3),
    isQuick: true,
  },
  {
    title: 'telco-churn: AUC over split seeds',
    example: 'telco-churn',
    folder: 'telco-churn',
    metric: 'auc',
    atLeast: 0.838,
    runs: seeds('splitSeed', 5),
    isQuick: true,
  },
  {
    title: 'letter-recognition: accuracy',
    example: 'letter-recognition',
    folder: 'letter',
    metric: 'accuracy',
    atLeast: 0.968,
    runs: seeds('seed', 3),
    isQuick: false,
  },
  {
    title: 'bike-demand: RMSE on a random split',
    example: 'bike-demand',
    folder: 'bike-sharing',
    metric: 'rmse',
    atMost: 42,
    runs: seeds('seed', 3, 'split=random'),
    isQuick: false,
  },
  {
    title: 'bike-demand: RMSE on November and December 2012',
    example: 'bike-demand',
    folder: 'bike-sharing',
    metric: 'rmse',
    atMost: 66,
    runs: seeds('seed', 3, 'split=time'),
    isQuick: false,
  },
];

describe('the examples reach their bars', () => {
  for (const bar of bars) {
    const runs = isLong ? bar.runs : bar.runs.slice(0, 1);
    const hasData = existsSync(join(data, bar.folder));
    const why = hasData ? '' : ` (skipped: no ${bar.folder} in MILLRACE_DATA)`;
    it.skipIf(!hasData || !(isLong || bar.isQuick))(
      `${bar.title} as the mean of ${runs.length} run(s)${why}`,
      { timeout: 1_800_000 },
      async () => {
        await using place = await temporaryDirectory();
        const values: number[] = [];
        for (const [index, params] of runs.entries()) {
          // A store each: with another split, an earlier run's champion has seen the rows of this one's test split.
          const store = join(place.path, String(index));
          const file = `examples/${bar.example}/pipeline.ts`;
          const given = [`data=${join(data, bar.folder)}`, ...params].flatMap((param) => ['--param', param]);
          const run = await runJson<RunObject>(['run', file, '--store', store, ...given]);
          expect({ status: run.status, gates: run.gates.filter((gate) => !gate.passed) }).toEqual({
            status: 'succeeded',
            gates: [],
          });
          values.push(run.metrics[bar.metric]!);
        }
        const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
        if (bar.atLeast !== undefined) expect(mean).toBeGreaterThanOrEqual(bar.atLeast);
        if (bar.atMost !== undefined) expect(mean).toBeLessThanOrEqual(bar.atMost);
      },
    );
  }
});
