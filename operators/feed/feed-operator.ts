import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Artifact } from '../../pipelines/contracts/artifacts.js';
import { defineOperator } from '../../pipelines/contracts/operator.js';
import type { FeedMeta, StatisticsDocument } from '../../pipelines/contracts/training.js';
import { encodeInputs } from '../../pipelines/encode/encode-to-sql.js';
import { columnParts } from '../split/column-parts.js';
import { artifactOfKind, readDataset } from '../split/read-dataset.js';
import { checkParts } from '../split/split-checks.js';
import { splitColumns } from '../split/split-sql.js';
import { checkWeights } from './check-weights.js';
import { writeRows } from './encode-rows.js';
import { type FeedOptions, feedOptions } from './feed-options.js';

/**
 * Lays the train and validation rows out for training: encoded values in safetensors shards that every rank and epoch
 * maps into memory. Bytes do not depend on the number of threads.
 *
 * @throws see {@link writeRows} and {@link checkWeights}; SPLIT_EMPTY, DATA_EMPTY.
 */
export const feedOperator = defineOperator<FeedOptions>({
  name: 'feed',
  class: 'pure',
  options: feedOptions,
  outputs: { feed: 'feed' },
  weight: 'sql',
  engines: ['duckdb', 'native'],
  async keyParts(_context, { options, inputs }) {
    const dataset = readDataset(artifactOfKind(inputs, 'dataset', 'dataset'));
    const names = [
      ...splitColumns(options.split, dataset),
      ...encodeInputs(options.graph),
      ...encodeInputs(options.label),
    ];
    return { ...columnParts(dataset, names), statistics: artifactOfKind(inputs, 'statistics', 'statistics').digest };
  },
  async run(context, { options, inputs }) {
    const dataset = artifactOfKind(inputs, 'dataset', 'dataset');
    const statistics = await readStatistics(artifactOfKind(inputs, 'statistics', 'statistics'));
    const writer = await context.artifacts.create('feed');
    try {
      const started = performance.now();
      const { layout, parts, counts, digests, peakMb } = await writeRows(context, {
        ...options,
        dataset,
        statistics,
        parts: ['train', 'validation'],
        directory: writer.directory,
        digests: true,
      });
      checkParts(counts!, readDataset(dataset).rows, ['train', 'validation']);
      if (layout.hasWeight) await checkWeights(context, options, { dataset, statistics });
      const meta: FeedMeta = {
        floats: layout.floats,
        indices: layout.indices,
        hasWeight: layout.hasWeight,
        targets: layout.targets,
        splits: { train: parts['train']!, validation: parts['validation']! },
      };
      const seconds = (performance.now() - started) / 1000;
      const rows = meta.splits.train.rows + meta.splits.validation.rows;
      context.log(
        `${rows} rows × ${layout.floats.length + layout.indices.length} columns in ${seconds.toFixed(2)} s, peak ${Math.round(peakMb)} MB`,
      );
      const artifact = await writer.commit(JSON.parse(JSON.stringify(meta)), new Map(Object.entries(digests)));
      const bytes = artifact.manifest.files.reduce((sum, file) => sum + file.bytes, 0);
      return {
        outputs: [{ name: 'feed', digest: artifact.digest }],
        summary: { rows: { ...counts! }, floats: layout.floats.length, indices: layout.indices.length, bytes },
      };
    } catch (error) {
      await writer.discard();
      throw error;
    }
  },
});

/** `statistics.json` of a `statistics` artifact. */
export async function readStatistics(artifact: Artifact): Promise<StatisticsDocument> {
  return JSON.parse(await readFile(join(artifact.directory, 'statistics.json'), 'utf8')) as StatisticsDocument;
}
