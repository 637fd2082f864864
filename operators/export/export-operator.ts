import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { score } from '../../native/ts/train.js';
import type { Artifact, DatasetMeta } from '../../pipelines/contracts/artifacts.js';
import type { InferenceSession } from '../../pipelines/contracts/infer.js';
import { defineOperator, type OperatorContext } from '../../pipelines/contracts/operator.js';
import type { ModelSignature } from '../../pipelines/contracts/signature.js';
import { quoteIdentifier } from '../../pipelines/contracts/sql.js';
import type { FeedMeta, ModelDocument, StatisticsDocument } from '../../pipelines/contracts/training.js';
import { canonicalJson } from '../../pipelines/plan/digest.js';
import type { SplitSpec } from '../../pipelines/plan/relation.js';
import type { Column } from '../../pipelines/types/column-type.js';
import { scoreDataset } from '../predict/score-dataset.js';
import { artifactOfKind, readDataset } from '../split/read-dataset.js';
import { splitSchema } from '../split/split-options.js';
import { splitColumns } from '../split/split-sql.js';
import { decisionThreshold } from './decision-threshold.js';
import { compareOutputs, type Parity } from './parity.js';
import { readWeights } from './read-weights.js';
import { labelsOf, signatureOf } from './signature.js';

/** Validation rows that are compared with the native model. */
const parityRows = 10_000;

const options = z.strictObject({
  split: splitSchema,
  /** The types of the model's input columns. */
  columns: z.custom<readonly Column[]>((value) => Array.isArray(value), 'columns'),
  /** The model's input columns. */
  inputs: z.array(z.string()),
});

interface Loaded {
  readonly document: ModelDocument;
  readonly statistics: StatisticsDocument;
  readonly weightsPath: string;
}

/**
 * Writes a model as ONNX with its preprocessing inside, loads it in a real session, compares it with the native model
 * on validation rows and chooses the decision threshold on all of them. Leaves `model.onnx` and `signature.json`.
 */
export const exportOnnxOperator = defineOperator<z.output<typeof options>>({
  name: 'exportOnnx',
  class: 'pure',
  options,
  outputs: { onnx: 'onnx' },
  weight: 'sql',
  engines: ['duckdb', 'libtorch', 'onnxruntime'],

  async keyParts(_context, { options: { split, inputs }, inputs: stages }) {
    const dataset = artifactOfKind(stages, 'dataset', 'dataset');
    const { columns, key } = dataset.manifest.meta as unknown as DatasetMeta;
    // The feed holds what the label and the order of the rows were; what is read again are inputs and split.
    const read = new Set([...inputs, ...splitColumns(split, { columns, key })]);
    const digests = columns
      .filter((column) => read.has(column.name))
      .map((column) => [`column ${column.name}`, column.digest]);
    return {
      model: artifactOfKind(stages, 'model', 'model').digest,
      feed: artifactOfKind(stages, 'feed', 'feed').digest,
      ...Object.fromEntries(digests),
    };
  },

  async run(context, { options: { split, columns }, inputs }) {
    const model = artifactOfKind(inputs, 'model', 'model');
    const loaded = await readModel(model);
    const writer = await context.artifacts.create('onnx');
    try {
      const modelPath = join(writer.directory, 'model.onnx');
      // Loaded at the first need: ONNX's schema takes a tenth of the time of a run in which nothing changed.
      const { writeOnnx } = await import('./write-onnx.js');
      const bytes = writeOnnx(loaded.document.graph, loaded.statistics, await readWeights(loaded.weightsPath));
      await writeFile(modelPath, bytes);
      context.progress({ fraction: 0.3, message: `model.onnx · ${bytes.byteLength.toLocaleString('en-US')} bytes` });
      await using session = await context.infer.load(modelPath);
      const signature = signatureOf(loaded.document.graph, loaded.statistics, columns, session.outputs);
      const dataset = artifactOfKind(inputs, 'dataset', 'dataset');
      const { parity, threshold, rows } = await judge(context, {
        loaded,
        session,
        signature,
        dataset,
        feed: artifactOfKind(inputs, 'feed', 'feed'),
        split,
      });
      await writeFile(join(writer.directory, 'signature.json'), canonicalJson({ ...signature, threshold }));
      const artifact = await writer.commit({ task: signature.task });
      return {
        outputs: [{ name: 'onnx', digest: artifact.digest }],
        summary: {
          bytes: bytes.byteLength,
          parity: parity === null ? null : { ...parity },
          threshold,
          validationRows: rows,
        },
        metrics: parity === null ? {} : { parity: parity.largest },
      };
    } catch (error) {
      await writer.discard();
      throw error;
    }
  },
});

async function readModel(model: Artifact): Promise<Loaded> {
  const json = async (name: string): Promise<unknown> =>
    JSON.parse(await readFile(join(model.directory, name), 'utf8'));
  return {
    document: (await json('model.json')) as ModelDocument,
    statistics: (await json('statistics.json')) as StatisticsDocument,
    weightsPath: join(model.directory, 'weights.safetensors'),
  };
}

interface Judged {
  readonly parity: Parity | null;
  readonly threshold: number | null;
  readonly rows: number;
}

/** Scores validation rows as a request would be, and the feed of the same rows natively. */
async function judge(
  context: OperatorContext,
  parts: {
    readonly loaded: Loaded;
    readonly session: InferenceSession;
    readonly signature: ModelSignature;
    readonly dataset: Artifact;
    readonly feed: Artifact;
    readonly split: SplitSpec;
  },
): Promise<Judged> {
  const { loaded, session, signature, split, feed } = parts;
  const dataset = readDataset(parts.dataset);
  const isBinary = signature.task === 'binary';
  const { threads, memoryLimitMb } = context.placement;
  await using sql = await context.sql.open({
    readable: [dataset.directory],
    writable: [],
    threads,
    memoryLimitMb,
    signal: context.signal,
  });
  const scores = await scoreDataset(sql, {
    dataset,
    signature,
    session,
    part: { split, name: 'validation' },
    limit: isBinary ? null : parityRows,
    extras: isBinary ? [`CAST(${quoteIdentifier(labelsOf(loaded.document.graph)[0]!)} AS VARCHAR)`] : [],
  });
  context.progress({ fraction: 0.7, message: `${scores.rows.toLocaleString('en-US')} validation rows scored` });
  const threshold = isBinary
    ? decisionThreshold(
        scores.outputs['probability']!,
        scores.extras[0]!.map((label) => label === signature.classes[1]),
      )
    : null;
  return { parity: await compareWithNative(context, loaded, feed, signature, scores), threshold, rows: scores.rows };
}

async function compareWithNative(
  context: OperatorContext,
  { document, statistics, weightsPath }: Loaded,
  feed: Artifact,
  signature: ModelSignature,
  scores: { readonly rows: number; readonly outputs: Readonly<Record<string, Float32Array | Float64Array>> },
): Promise<Parity | null> {
  const rows = Math.min(scores.rows, parityRows);
  if (rows === 0) return null;
  const output = { binary: 'probability', multiclass: 'probabilities', regression: 'scaled' }[signature.task];
  const native = await score(
    {
      fit: document.graph,
      statistics,
      weightsPath,
      feedDirectory: feed.directory,
      shards: shardsFor(feed.manifest.meta as unknown as FeedMeta, rows),
      rows,
      outputs: [output],
      threads: context.placement.threads,
      dtype: 'float32',
    },
    context.signal,
  );
  const exported = scores.outputs[output]!;
  const width = exported.length / scores.rows;
  return compareOutputs(output, exported.subarray(0, rows * width), native[output]!.data as Float32Array, rows);
}

/** The first validation shards that hold so many rows. */
function shardsFor(feed: FeedMeta, rows: number): string[] {
  const paths: string[] = [];
  let held = 0;
  for (const shard of feed.splits.validation.shards) {
    if (held >= rows) break;
    paths.push(shard.path);
    held += shard.rows;
  }
  return paths;
}
