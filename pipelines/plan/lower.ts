import { MillraceError } from '../contracts/errors.js';
import type { Json } from '../contracts/json.js';
import type { BuildNode, DatasetNode, FitNode, GateNode, SplitNode } from '../define/build-node.js';
import { predictionColumns } from '../define/predict.js';
import { encodePart } from '../network/encode-part.js';
import { type Draft, draft, idOf, json, type LowerContext, reference } from './draft.js';
import { lowerRelation } from './lower-relation.js';

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
          received:
            node.function.name === ''
              ? 'a function without a name'
              : `'${node.function.name}', which no module exports`,
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
      const after = node.after === null ? [] : [idOf(node.after, context)];
      const inputs = {
        onnx: reference(idOf(node.onnx, context), 'onnx'),
        dataset: reference(idOf(node.dataset, context), 'dataset'),
      };
      return [
        {
          ...draft(id, 'predict', 'pure', inputs, {
            keep: json(node.keep),
            columns: json(predictionColumns(node.onnx.model)),
          }),
          after,
        },
      ];
    }
    case 'split':
      return [
        {
          ...draft(
            id,
            'split',
            'pure',
            { dataset: reference(idOf(node.dataset, context), 'dataset') },
            { split: json(node.spec) },
          ),
          fused: true,
        },
      ];
    case 'fit':
      return lowerFit(node, id, context);
    case 'exportOnnx': {
      const fit = idOf(node.model, context);
      return [
        draft(
          id,
          'exportOnnx',
          'pure',
          {
            model: reference(fit, 'model'),
            feed: reference(`${fit}/feed`, 'feed'),
            dataset: datasetOf(node.model.split, context),
          },
          {
            split: json(node.model.split.spec),
            // Those of the inputs alone: a column that nobody reads exports nothing again.
            columns: json(
              (node.model.split.dataset.columns ?? []).filter(({ name }) => node.model.inputs.includes(name)),
            ),
            inputs: json(node.model.inputs),
          },
        ),
      ];
    }
    case 'evaluate':
      return [
        draft(
          id,
          'evaluate',
          'pure',
          {
            onnx: reference(idOf(node.onnx, context), 'onnx'),
            model: reference(idOf(node.onnx.model, context), 'model'),
            dataset: datasetOf(node.split, context),
          },
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
      return [
        draft(id, 'promote', 'acts', Object.fromEntries(inputs), {
          alias: node.alias,
          gates: node.gates.map(gateOptions),
        }),
      ];
    }
    case 'deploy':
      return [
        draft(
          id,
          'deploy',
          'acts',
          { promotion: reference(idOf(node.promotion, context), 'promotion') },
          { model: node.model, alias: node.promotion.alias, endpoint: node.endpoint },
        ),
      ];
  }
}

function lowerFit(node: FitNode, id: string, context: LowerContext): readonly Draft[] {
  const dataset = datasetOf(node.split, context);
  const split = json(node.split.spec);
  const { graph, label, slots, task } = node.fit;
  const statistics = reference(`${id}/statistics`, 'statistics');
  return [
    draft(
      `${id}/statistics`,
      'statistics',
      'pure',
      { dataset },
      {
        split,
        slots: json(slots),
        label: {
          columns: json(node.labels),
          task: task.kind,
          ...(node.weightedClasses.length === 0 ? {} : { weightedClasses: json(node.weightedClasses) }),
        },
        inputs: json(node.inputs),
      },
    ),
    draft(
      `${id}/feed`,
      'feed',
      'pure',
      { dataset, statistics },
      { split, graph: json(encodePart(graph)), label: json(label) },
    ),
    draft(
      id,
      'fit',
      'pure',
      { feed: reference(`${id}/feed`, 'feed'), statistics },
      { fit: json(node.fit), training: json(node.training), device: node.device },
    ),
  ];
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
