import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Artifact, DatasetMeta } from '../../pipelines/contracts/artifacts.js';
import type { Json } from '../../pipelines/contracts/json.js';
import { defineOperator, type OperatorContext } from '../../pipelines/contracts/operator.js';
import { canonicalJson } from '../../pipelines/plan/digest.js';
import type { SplitSpec } from '../../pipelines/plan/relation.js';
import { rowIdentitySql, splitSql } from '../split/split-sql.js';

const options = z.strictObject({
  model: z.string(),
  split: z.custom<SplitSpec>((value) => typeof value === 'object' && value !== null),
});

/**
 * Registers a bundle as a version of a model: (namespace, model, bundle digest). Equal bytes end `unchanged`.
 * Its lineage names the dataset, the model, the identities of the rows it was trained and validated on, the run, and the
 * digests of the code that made it.
 */
export const registerOperator = defineOperator<z.output<typeof options>>({
  name: 'register',
  class: 'acts',
  options,
  outputs: { version: 'value' },
  weight: 'sql',
  engines: [],
  async run(context, { options: { model, split }, inputs }) {
    const bundle = inputs['onnx']!.artifacts['onnx']!;
    const report = inputs['report']!.artifacts['report']!;
    const dataset = inputs['dataset']!.artifacts['dataset']!;
    const seen =
      (await knownSeen(context, model, bundle.digest, dataset.digest)) ?? (await writeSeen(context, dataset, split));
    const registered = await context.registry.register(
      { run: context.run, stage: context.stage },
      {
        model,
        bundle: bundle.digest,
        report: report.digest,
        lineage: {
          dataset: dataset.digest,
          model: inputs['model']!.artifacts['model']!.digest,
          seen: seen.digest,
          run: context.run,
          code: { bundle: context.code.bundle, operators: { ...context.code.operators } },
        },
      },
    );
    const writer = await context.artifacts.create('value');
    await writeFile(join(writer.directory, 'value.json'), canonicalJson({ model, bundle: bundle.digest }));
    const version = await writer.commit({ model, bundle: bundle.digest });
    return {
      status: registered.created ? 'succeeded' : 'unchanged',
      outputs: [{ name: 'version', digest: version.digest }],
      summary: { model, version: registered.version.version, bundle: bundle.digest },
    };
  },
});

/** What an earlier registration of the same bytes wrote, where it is still whole. */
async function knownSeen(
  context: OperatorContext,
  model: string,
  bundle: string,
  dataset: string,
): Promise<{ readonly digest: string } | null> {
  const versions = (await context.registry.models()).some((known) => known.model === model)
    ? await context.registry.versions(model)
    : [];
  const lineage = versions.find((version) => version.bundle === bundle)?.lineage as
    | { dataset?: unknown; seen?: unknown }
    | undefined;
  if (lineage?.dataset !== dataset || typeof lineage.seen !== 'string') return null;
  return (await context.artifacts.isWhole(lineage.seen)) ? { digest: lineage.seen } : null;
}

/** `seen.parquet`: one column `identity`, the identity of every row in train or validation; what a later gate leaves out. */
async function writeSeen(context: OperatorContext, dataset: Artifact, split: SplitSpec): Promise<Artifact> {
  const meta = dataset.manifest.meta as unknown as DatasetMeta;
  const writer = await context.artifacts.create('value');
  try {
    const facts = { columns: meta.columns, key: meta.key };
    await using session = await context.sql.open({
      readable: [dataset.directory],
      writable: [writer.directory],
      threads: context.placement.threads,
      memoryLimitMb: context.placement.memoryLimitMb,
      signal: context.signal,
    });
    const files = meta.partitions
      .map((partition) => `'${join(dataset.directory, partition.path).replaceAll("'", "''")}'`)
      .join(', ');
    const { rows } = await session.writeParquet(
      `SELECT DISTINCT identity FROM (SELECT ${rowIdentitySql(split, facts)} AS identity, ${splitSql(split, facts).expression} AS part FROM read_parquet([${files}], hive_partitioning = false)) WHERE part IN ('train', 'validation') ORDER BY identity`,
      join(writer.directory, 'seen.parquet'),
    );
    return await writer.commit({ rows, split: split as unknown as Json });
  } catch (error) {
    await writer.discard();
    throw error;
  }
}
