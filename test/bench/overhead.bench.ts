import { mkdtemp, open, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { definePipeline, sql } from '../../pipelines/index.js';
import { compilePlan } from '../../pipelines/plan/compile.js';
import { t } from '../../pipelines/types.js';
import { writePlan } from '../../workflows/bundle/prepare-pipeline.js';
import { startRun } from '../../workflows/embedded/run-plan.js';
import { openServices } from '../../workflows/services.js';
import { alternate, type BenchOptions, type BenchResult, benchResult, seconds } from './bench-result.js';

const stages = 20;

/** What the host adds: 20 one-row SQL stages against bare DuckDB, and 20 cached stages against as many fsyncs. */
export async function run(options: BenchOptions = {}): Promise<BenchResult[]> {
  const { pairs = 7 } = options;
  const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  try {
    await using services = await openServices({
      directory: join(directory, 'store'),
      threads: availableParallelism(),
      memoryLimitMb: 1024,
    });
    let salt = 0;
    const runStages = async (fresh: boolean): Promise<number> => {
      if (fresh) salt++;
      const plan = compilePlan(chain(salt) as never, {}, () => null);
      const digest = await writePlan(services, plan);
      return seconds(async () => {
        const { status } = await startRun(
          services,
          { plan, digest },
          {
            root: directory,
            bundle: null,
            useCache: true,
            from: null,
            signal: new AbortController().signal,
            onEvent: () => {},
          },
        );
        if (status !== 'succeeded') throw new Error(`the run ended ${status}`);
      });
    };
    await runStages(true);
    const perStage = (total: number): number => (total * 1000) / stages;
    const fresh = await alternate(
      pairs,
      async () => perStage(await runStages(true)),
      async () => perStage(await bareDuckdb(directory)),
    );
    const limitMs = Math.min(
      ...(
        await alternate(
          3,
          async () => perStage(await fsyncs(directory)),
          async () => perStage(await fsyncs(directory)),
        )
      ).ours,
    );
    const cached = await alternate(
      pairs,
      async () => perStage(await runStages(false)),
      async () => perStage(await fsyncs(directory)),
    );
    return [
      benchResult(
        {
          name: 'overhead: a one-row SQL stage',
          unit: 'ms',
          setting: `rival: a DuckDB instance, COPY to Parquet, fsync; ${stages} stages in a chain of independent ones; target 25 ms; ${pairs} pairs`,
        },
        fresh,
      ),
      benchResult(
        {
          name: 'overhead: a cached stage (writes nothing)',
          unit: 'ms',
          limit: limitMs,
          setting: `rival and limit: one small fsync; ${stages} stages; targets 1 ms a stage, 150 ms for 20 whole; ${pairs} pairs`,
        },
        cached,
      ),
    ];
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function chain(salt: number) {
  return definePipeline({
    name: 'overhead',
    build: () =>
      Object.fromEntries(
        Array.from({ length: stages }, (_, index) => [
          `s${index}`,
          sql`SELECT ${BigInt(index)} AS x, ${BigInt(salt)} AS salt`.as({ x: t.int64, salt: t.int64 }),
        ]),
      ),
  });
}

async function bareDuckdb(directory: string): Promise<number> {
  return seconds(async () => {
    for (let index = 0; index < stages; index++) {
      const instance = await DuckDBInstance.create(':memory:');
      const connection = await instance.connect();
      const file = join(directory, `bare-${index}.parquet`);
      await connection.run(
        `COPY (SELECT ${index}::BIGINT AS x, 0::BIGINT AS salt ORDER BY ALL) TO '${file}' (FORMAT parquet, COMPRESSION zstd)`,
      );
      connection.closeSync();
      instance.closeSync();
      const handle = await open(file, 'r+');
      await handle.sync();
      await handle.close();
    }
  });
}

async function fsyncs(directory: string): Promise<number> {
  const handle = await open(join(directory, 'fsync.bin'), 'w');
  try {
    return await seconds(async () => {
      for (let index = 0; index < stages; index++) {
        await handle.write(Buffer.alloc(512));
        await handle.sync();
      }
    });
  } finally {
    await handle.close();
  }
}
