import { MillraceError } from '../contracts/errors.js';
import type { Json } from '../contracts/json.js';
import type { BuildNode, DatasetNode, FitNode, GateNode, SplitNode } from '../define/build-node.js';
import { predictionColumns } from '../define/predict.js';
import { encodePart } from '../network/encode-part.js';
import type { FindExport } from './compile.js';
import type { Relation } from './relation.js';

/** A stage before it is checked and sorted. */
export interface Draft {
  readonly id: string;
  readonly operator: string;
  readonly class: 'pure' | 'reads' | 'acts';
  readonly inputs: Readonly<Record<string, { readonly stage: string; readonly output: string }>>;
  readonly options: Json;
  readonly fused: boolean;
  readonly after: readonly string[];
}

export interface LowerContext {
  readonly ids: ReadonlyMap<BuildNode, string>;
  readonly isWritten: (node: DatasetNode) => boolean;
  readonly findExport: FindExport;
}

/** What a node reads, by the names that its stage's inputs and unreturned stages take. */
export function inputsOf(node: BuildNode): readonly (readonly [string, BuildNode])[] {
  switch (node.kind) {
    case 'source':
      return [];
    case 'sql':
      return node.datasets.map((dataset, index) => [node.datasets.length === 1 ? 'from' : `from_${index}`, dataset]);
    case 'custom':
      return Object.entries(node.datasets);
    case 'predict':
      return [
        ['model', node.from],
        ['rows', node.dataset],
      ];
    case 'split':
      return [['rows', node.dataset]];
    case 'fit':
      return [['data', node.split]];
    case 'exportOnnx':
      return [['model', node.model]];
    case 'evaluate':
      return [
        ['onnx', node.onnx],
        ['data', node.split],
      ];
    case 'register':
      return [
        ['onnx', node.onnx],
        ['report', node.report],
      ];
    case 'gate':
      return [['version', node.version]];
    case 'promote':
      return node.gates.map((gate, index) => [node.gates.length === 1 ? 'gate' : `gate_${index}`, gate]);
    case 'deploy':
      return [['live', node.promotion]];
  }
}

/**
 * Only SQL fuses into SQL: a dataset that another stage kind reads, that `build` returns, or that several stages need, is written.
 * Arrow files are always written: DuckDB has no reader for them.
 */
export function isWritten(node: DatasetNode, consumers: readonly BuildNode[], isReturned: boolean): boolean {
  if (node.kind !== 'sql' && node.kind !== 'source') return true;
  if (isReturned || (node.kind === 'source' && node.source.format === 'arrow')) return true;
  return consumers.length !== 1 || consumers[0]!.kind !== 'sql';
}

/** The stages that a node becomes; the last one carries the node's id. */
export function lowerNode(node: BuildNode, context: LowerContext): readonly Draft[] {
  const id = idOf(node, context);
  switch (node.kind) {
    case 'source':
    case 'sql':
      return [lowerRelation(node, id, context)];
    case 'custom': {
      const found = context.findExport(node.function);
      if (found === null) {
        throw new MillraceError('CUSTOM_NOT_EXPORTED', {
          path: id,
          expected: 'a function that a module exports',
          received: node.function.name === '' ? 'a function without a name' : `'${node.function.name}', which no module exports`,
          hint: 'Move it into a file of its own and export it: its code is bundled alone.',
        });
      }
      return [
        draft(id, 'custom', 'pure', datasetInputs(Object.entries(node.datasets), context), {
          export: { module: found.module, name: found.name },
          columns: json(node.columns ?? []),
          key: json(node.key),
          options: node.options,
        }),
      ];
    }
    case 'predict': {
      const onnx = node.from.kind === 'exportOnnx' ? node.from : node.from.gates[0]!.version.onnx;
      const after = node.from.kind === 'promote' ? [idOf(node.from, context)] : [];
      const inputs = { onnx: reference(idOf(onnx, context), 'onnx'), dataset: reference(idOf(node.dataset, context), 'dataset') };
      return [{ ...draft(id, 'predict', 'pure', inputs, { keep: json(node.keep), columns: json(predictionColumns(onnx.model)) }), after }];
    }
    case 'split':
      return [{ ...draft(id, 'split', 'pure', { dataset: reference(idOf(node.dataset, context), 'dataset') }, { split: json(node.spec) }), fused: true }];
    case 'fit':
      return lowerFit(node, id, context);
    case 'exportOnnx': {
      const fit = idOf(node.model, context);
      return [
        draft(
          id,
          'exportOnnx',
          'pure',
          { model: reference(fit, 'model'), feed: reference(`${fit}/feed`, 'feed'), dataset: datasetOf(node.model.split, context) },
          { split: json(node.model.split.spec), columns: json(node.model.split.dataset.columns ?? []), inputs: json(node.model.inputs) },
        ),
      ];
    }
    case 'evaluate':
      return [
        draft(
          id,
          'evaluate',
          'pure',
          { onnx: reference(idOf(node.onnx, context), 'onnx'), model: reference(idOf(node.onnx.model, context), 'model'), dataset: datasetOf(node.split, context) },
          { split: json(node.split.spec), ...node.options },
        ),
      ];
    case 'register':
      return [
        draft(
          id,
          'register',
          'acts',
          {
            onnx: reference(idOf(node.onnx, context), 'onnx'),
            report: reference(idOf(node.report, context), 'report'),
            model: reference(idOf(node.onnx.model, context), 'model'),
            dataset: datasetOf(node.onnx.model.split, context),
          },
          { model: node.model, split: json(node.onnx.model.split.spec) },
        ),
      ];
    case 'gate':
      return [draft(id, 'gate', 'reads', gateInputs(node, context), gateOptions(node))];
    case 'promote': {
      const inputs = node.gates.flatMap((gate, index) => [
        [`verdict.${index}`, reference(idOf(gate, context), 'verdict')] as const,
        ...Object.entries(gateInputs(gate, context)).map(([name, input]) => [`${name}.${index}`, input] as const),
      ]);
      return [draft(id, 'promote', 'acts', Object.fromEntries(inputs), { alias: node.alias, gates: node.gates.map(gateOptions) })];
    }
    case 'deploy':
      return [
        draft(id, 'deploy', 'acts', { promotion: reference(idOf(node.promotion, context), 'promotion') }, { model: node.model, alias: node.promotion.alias, endpoint: node.endpoint }),
      ];
  }
}

function lowerFit(node: FitNode, id: string, context: LowerContext): readonly Draft[] {
  const dataset = datasetOf(node.split, context);
  const split = json(node.split.spec);
  const { graph, label, slots, task } = node.fit;
  const statistics = reference(`${id}/statistics`, 'statistics');
  return [
    draft(`${id}/statistics`, 'statistics', 'pure', { dataset }, { split, slots: json(slots), label: { columns: json(node.labels), task: task.kind }, inputs: json(node.inputs) }),
    draft(`${id}/feed`, 'feed', 'pure', { dataset, statistics }, { split, graph: json(encodePart(graph)), label: json(label) }),
    draft(id, 'fit', 'pure', { feed: reference(`${id}/feed`, 'feed'), statistics }, { fit: json(node.fit), training: json(node.training), device: node.device }),
  ];
}

function lowerRelation(node: Extract<DatasetNode, { kind: 'sql' | 'source' }>, id: string, context: LowerContext): Draft {
  const inputs: Record<string, { stage: string; output: string }> = {};
  const relation = relationOf(node, true, inputs, context);
  const fused = !context.isWritten(node);
  return {
    ...draft(id, node.kind === 'source' ? 'ingest' : 'sql', 'pure', inputs, { relation: json(relation), columns: json(node.columns), key: json(node.key) }),
    fused,
  };
}

function relationOf(node: DatasetNode, isRoot: boolean, inputs: Record<string, { stage: string; output: string }>, context: LowerContext): Relation {
  if (!isRoot && context.isWritten(node)) {
    const stage = idOf(node, context);
    const known = Object.entries(inputs).find(([, input]) => input.stage === stage)?.[0];
    const name = known ?? `in${Object.keys(inputs).length}`;
    inputs[name] = reference(stage, 'dataset');
    return { kind: 'input', input: name };
  }
  if (node.kind === 'source') return { kind: 'source', source: node.source };
  if (node.kind === 'sql') {
    return {
      kind: 'sql',
      text: node.text,
      values: node.values,
      relations: node.datasets.map((dataset) => relationOf(dataset, false, inputs, context)),
      columns: isRoot ? null : node.columns,
    };
  }
  throw new Error(`unreachable: a ${node.kind} is always written`);
}

function gateInputs(node: GateNode, context: LowerContext): Draft['inputs'] {
  const { version } = node;
  return {
    version: reference(idOf(version, context), 'version'),
    report: reference(idOf(version.report, context), 'report'),
    onnx: reference(idOf(version.onnx, context), 'onnx'),
    dataset: datasetOf(version.report.split, context),
  };
}

function gateOptions(node: GateNode): Json {
  return { conditions: node.conditions, split: json(node.version.report.split.spec), contaminated: node.contaminated };
}

function datasetInputs(entries: readonly (readonly [string, DatasetNode])[], context: LowerContext): Draft['inputs'] {
  return Object.fromEntries(entries.map(([name, dataset]) => [name, reference(idOf(dataset, context), 'dataset')]));
}

function datasetOf(split: SplitNode, context: LowerContext): { readonly stage: string; readonly output: string } {
  return reference(idOf(split.dataset, context), 'dataset');
}

function draft(id: string, operator: string, operatorClass: Draft['class'], inputs: Draft['inputs'], options: Json): Draft {
  return { id, operator, class: operatorClass, inputs, options, fused: false, after: [] };
}

function reference(stage: string, output: string): { readonly stage: string; readonly output: string } {
  return { stage, output };
}

function idOf(node: BuildNode, context: LowerContext): string {
  return context.ids.get(node)!;
}

/** Plans are JSON; bigint values of SQL become tagged text (`SqlValue`). */
function json(value: unknown): Json {
  if (typeof value === 'bigint') return { kind: 'bigint', text: value.toString() };
  if (Array.isArray(value)) return value.map(json);
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, json(member)]));
  return value as Json;
}
