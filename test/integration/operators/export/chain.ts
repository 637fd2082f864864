import { openInferenceEngine } from '../../../../connectors/onnxruntime/inference-engine.js';
import { openEventLog } from '../../../../connectors/tensorboard/event-log.js';
import { exportOnnxOperator } from '../../../../operators/export/export-operator.js';
import { feedOperator } from '../../../../operators/feed/feed-operator.js';
import { fitOperator } from '../../../../operators/fit/fit-operator.js';
import { predictOperator } from '../../../../operators/predict/predict-operator.js';
import { statisticsOperator } from '../../../../operators/statistics/statistics-operator.js';
import type { Artifact } from '../../../../pipelines/contracts/artifacts.js';
import type {
  Operator,
  OperatorContext,
  OperatorResult,
  StageInput,
} from '../../../../pipelines/contracts/operator.js';
import { resolveTraining } from '../../../../pipelines/define/training-options.js';
import { type FitSource, traceFit } from '../../../../pipelines/network/trace-fit.js';
import type { SplitSpec } from '../../../../pipelines/plan/relation.js';
import type { Column } from '../../../../pipelines/types/column-type.js';
import { openSqlBench, type SqlBench } from '../sql/sql-stage.js';

export interface ChainStage {
  readonly artifact: Artifact;
  readonly result: OperatorResult;
}

/** The data's way from a SELECT to an exported model, stage by stage, in a throw-away store. */
export interface Chain extends AsyncDisposable {
  readonly bench: SqlBench;
  dataset(select: string, columns: readonly Column[], key?: readonly string[]): Promise<Artifact>;
  export(request: ChainRequest): Promise<{
    readonly model: ChainStage;
    readonly onnx: ChainStage;
    readonly feed: Artifact;
    readonly statistics: Artifact;
  }>;
  run(
    operator: Operator,
    options: unknown,
    inputs: Readonly<Record<string, Artifact>>,
    signal?: AbortSignal,
  ): Promise<ChainStage>;
  predict(onnx: Artifact, dataset: Artifact, keep: readonly string[], columns: readonly Column[]): Promise<ChainStage>;
}

export interface ChainRequest {
  readonly dataset: Artifact;
  readonly columns: readonly Column[];
  readonly split: SplitSpec;
  readonly source: Omit<FitSource, 'columns'>;
  readonly maxEpochs: number;
}

export async function openChain(): Promise<Chain> {
  const bench = await openSqlBench();
  const run = async (
    operator: Operator,
    options: unknown,
    inputs: Readonly<Record<string, Artifact>>,
    signal = new AbortController().signal,
  ): Promise<ChainStage> => {
    const context = {
      run: 'run',
      stage: operator.name,
      attempt: 1,
      root: bench.root,
      placement: { threads: 2, memoryLimitMb: 1024, device: 'cpu' },
      artifacts: bench.artifacts,
      sql: bench.sql,
      infer: openInferenceEngine(),
      events: openEventLog,
      records: bench.root,
      scratch: `${bench.root}/scratch-${operator.name}`,
      signal,
      progress: () => {},
      log: () => {},
    } as unknown as OperatorContext;
    const stages = Object.fromEntries(
      Object.entries(inputs).map(([name, artifact]): [string, StageInput] => [
        name,
        { stage: name, operator: name, artifacts: { [artifact.manifest.kind]: artifact }, summary: {} },
      ]),
    );
    const result = await operator.run(context, { options: operator.options.parse(options), inputs: stages });
    return { artifact: await bench.artifacts.open(result.outputs[0]!.digest), result };
  };
  return {
    bench,
    run,
    async dataset(select, columns, key = []) {
      const relation = { kind: 'sql' as const, text: select, values: [], relations: [], columns };
      return (await bench.run({ relation, columns, key })).artifact;
    },
    async export({ dataset, columns, split, source, maxEpochs }) {
      const fit = traceFit({ ...source, columns });
      const labels = typeof source.label === 'string' ? [source.label] : source.label;
      const statistics = await run(
        statisticsOperator,
        { split, slots: fit.slots, label: { columns: labels, task: source.task }, inputs: Object.keys(source.inputs) },
        { dataset },
      );
      const feed = await run(
        feedOperator,
        { split, graph: fit.graph, label: fit.label },
        { dataset, statistics: statistics.artifact },
      );
      const training = resolveTraining(
        { optimizer: { kind: 'adam', learningRate: 1e-2 }, batchSize: 128, maxEpochs, seed: 1 },
        'training',
      );
      const model = await run(
        fitOperator,
        { fit, training, device: 'cpu' },
        { feed: feed.artifact, statistics: statistics.artifact },
      );
      const onnx = await run(
        exportOnnxOperator,
        { split, columns, inputs: Object.keys(source.inputs) },
        { model: model.artifact, feed: feed.artifact, dataset },
      );
      return { model, onnx, feed: feed.artifact, statistics: statistics.artifact };
    },
    predict: (onnx, dataset, keep, columns) => run(predictOperator, { keep, columns }, { onnx, dataset }),
    [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose](),
  };
}
