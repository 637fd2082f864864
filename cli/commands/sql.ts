import { join } from 'node:path';
import type { Artifact } from '../../pipelines/contracts/artifacts.js';
import type { RunRecord } from '../../pipelines/contracts/metadata.js';
import type { Services } from '../../workflows/services.js';
import { type CommonOptions, openStore } from '../open.js';
import { querySql } from '../sql-query.js';

/** How many of the newest runs are looked through for names. */
const newestRuns = 200;

/**
 * Answers one SELECT over the datasets of the store by their stages' names; a report's rows are `<stage>_predictions`.
 * Without --run a name means the newest run that has it, of any pipeline.
 */
export async function sql(
  query: string,
  options: CommonOptions & { readonly run?: string; readonly format: 'table' | 'csv' | 'json' },
): Promise<void> {
  await using services = await openStore(options);
  const runs =
    options.run === undefined
      ? await services.metadata.runs({ limit: newestRuns })
      : [await services.metadata.run(options.run)];
  const datasets = await namedDatasets(services, runs);
  const format = options.json === true ? 'json' : options.format;
  for await (const piece of querySql({ engine: services.sql, datasets, sql: query, format })) {
    if (!process.stdout.write(piece)) await new Promise((resolve) => process.stdout.once('drain', resolve));
  }
}

async function namedDatasets(
  services: Services,
  runs: readonly RunRecord[],
): Promise<Record<string, Artifact | string>> {
  const named: Record<string, Artifact | string> = {};
  for (const run of runs) {
    for (const stage of await services.metadata.stages(run.id)) {
      for (const { name, digest } of stage.outputs) {
        const table = name === 'dataset' ? stage.stage : name === 'report' ? `${stage.stage}_predictions` : null;
        if (table === null || named[table] !== undefined || !(await services.artifacts.isWhole(digest))) continue;
        const artifact = await services.artifacts.open(digest);
        named[table] = name === 'dataset' ? artifact : join(artifact.directory, 'predictions.parquet');
      }
    }
  }
  return named;
}
