import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { MillraceError, MillraceErrors } from '../../../../pipelines/contracts/errors.js';
import { defineInput, type Input } from '../../../../pipelines/define/inputs.js';
import { formatShape, type TensorGraph } from '../../../../pipelines/network/graph.js';
import { type FitSource, traceFit } from '../../../../pipelines/network/trace-fit.js';
import * as nn from '../../../../pipelines/nn.js';
import type { Column, Kind } from '../../../../pipelines/types/column-type.js';

function column(name: string, kind: Exclude<Kind, 'decimal' | 'list' | 'tensor' | 'struct'>, nullable = false): Column {
  return { name, type: { kind, nullable } };
}

const columns = [
  column('plan', 'string', true),
  column('age', 'int32', true),
  column('income', 'float64'),
  column('other', 'string'),
  column('churned', 'bool'),
  column('kind', 'string'),
  column('grade', 'int32'),
  column('weight', 'float64'),
];

function source(changes: Partial<FitSource> = {}): FitSource {
  return {
    columns,
    label: 'churned',
    task: 'binary',
    inputs: { plan: nn.embed({ dimension: 4 }), age: nn.standardize(), income: nn.standardize() },
    network: nn.network(nn.dense(8, 'relu'), nn.output()),
    loss: null,
    weight: null,
    ...changes,
  };
}

/** The problems of a call, one line each. */
function problemsOf(changes: Partial<FitSource>): string[] {
  try {
    traceFit(source(changes));
  } catch (error) {
    if (error instanceof MillraceErrors) return error.problems.map((problem) => problem.message);
    if (error instanceof MillraceError) return [error.message];
    throw error;
  }
  return [];
}

function shapeOf(graph: TensorGraph, output: string): string {
  const node = graph.nodes[graph.outputs[output]!]!;
  return `${node.dtype} ${formatShape(node.shape)}`;
}

describe('traceFit', () => {
  it('puts numbers first, side by side and in order, then what is widened', () => {
    const { graph } = traceFit(source());
    expect(graph.feed.map((feed) => `${feed.name} ${feed.dtype}`)).toEqual([
      'age float32',
      'age.missing float32',
      'income float32',
      'plan int64',
    ]);
    const concat = graph.nodes.find((node) => node.op === 'concat')!;
    expect(concat.inputs.map((index) => graph.nodes[index]!.op)).toEqual([
      'expandDims',
      'expandDims',
      'expandDims',
      'embedding',
    ]);
    expect(formatShape(concat.shape)).toBe('[batch, 7]');
  });

  it('lists nodes after what they need, and keeps regions apart but for the feed', () => {
    const { graph } = traceFit(source({ inputs: { income: nn.piecewiseLinear({ bins: 8 }), plan: nn.oneHot() } }));
    const fed = new Set(graph.feed.map((feed) => feed.node));
    graph.nodes.forEach((node, index) => {
      for (const input of node.inputs) {
        expect(input).toBeLessThan(index);
        const from = graph.nodes[input]!;
        expect(from.region === node.region || fed.has(input)).toBe(true);
      }
    });
  });

  it('names parameters once, under their layers', () => {
    const { graph } = traceFit(
      source({ network: nn.network(nn.dense(8, 'relu'), nn.dense(8), nn.batchNorm(), nn.output()) }),
    );
    const parameters = graph.nodes
      .filter((node) => node.op === 'parameter' || node.op === 'buffer')
      .map((node) => `${node.name} ${formatShape(node.shape)}`);
    expect(parameters).toEqual([
      'inputs/plan/table [plan.vocabulary+2, 4]',
      'dense/weight [8, 7]',
      'dense/bias [8]',
      'dense_1/weight [8, 8]',
      'dense_1/bias [8]',
      'batchNorm/scale [8]',
      'batchNorm/bias [8]',
      'batchNorm/mean [8]',
      'batchNorm/variance [8]',
      'output/weight [1, 8]',
      'output/bias [1]',
    ]);
  });

  it('keeps the parameters of two layers apart, whatever the user calls a layer', () => {
    const own = nn.defineLayer({
      name: 'dense_1',
      trace: (tracer, x) =>
        tracer.apply('linear', [
          x,
          tracer.parameter('weight', [8, 8], { kind: 'zeros' }),
          tracer.parameter('bias', [8], { kind: 'zeros' }),
        ]),
    });
    const { graph } = traceFit(source({ network: nn.network(nn.dense(8), nn.dense(8), own(), nn.output()) }));
    const names = graph.nodes.filter((node) => node.op === 'parameter').map((node) => node.name);
    expect(names.filter((name) => name.endsWith('/weight'))).toEqual([
      'dense/weight',
      'dense_1/weight',
      'dense_1_1/weight',
      'output/weight',
    ]);
  });

  it('refuses one shared parameter of two shapes', () => {
    const shared = nn.defineLayer({
      name: 'shared',
      trace: (tracer, x) =>
        tracer.apply('multiply', [x, tracer.parameter('/scale', [x.shape.at(-1)!], { kind: 'ones' })]),
    });
    expect(problemsOf({ network: nn.network(shared(), nn.dense(8), shared(), nn.output()) })).toEqual([
      'fit.network.2 (scale): expected float32 [8], as here; received float32 [7] under the same name. Name one of the two layers otherwise.',
    ]);
  });

  it('gives the outputs of a binary task', () => {
    const fit = traceFit(source());
    expect(Object.keys(fit.graph.outputs)).toEqual(['logits', 'probability']);
    expect(shapeOf(fit.graph, 'logits')).toBe('float32 [batch]');
    expect(fit.label.feed).toEqual([{ name: 'label', node: 1, dtype: 'float32' }]);
    expect(fit.task).toEqual({ kind: 'binary', label: 'churned' });
    expect(fit.loss.nodes.map((node) => node.op)).toEqual([
      'input',
      'input',
      'input',
      'sigmoidCrossEntropy',
      'multiply',
    ]);
    expect([shapeOf(fit.loss, 'loss'), shapeOf(fit.loss, 'weight')]).toEqual(['float32 [batch]', 'float32 [batch]']);
  });

  it('gives the outputs of a multiclass task, with classes from the train split', () => {
    const fit = traceFit(source({ label: 'kind', task: 'multiclass' }));
    expect([shapeOf(fit.graph, 'logits'), shapeOf(fit.graph, 'probabilities')]).toEqual([
      'float32 [batch, label.classes]',
      'float32 [batch, label.classes]',
    ]);
    expect(fit.label.feed).toMatchObject([{ name: 'label', dtype: 'int64' }]);
    expect(fit.slots.find((slot) => slot.name === 'label.vocabulary')).toMatchObject({
      column: 'kind',
      size: 'label.classes',
      dtype: 'string',
      statistic: { minCount: 1 },
    });
  });

  it('takes an integer label of two values for a binary task', () => {
    const fit = traceFit(source({ label: 'grade', task: 'binary' }));
    expect(fit.label.feed).toMatchObject([{ name: 'label', dtype: 'float32' }]);
    expect(fit.label.nodes.find((node) => node.op === 'lookup')!.attributes).toEqual({
      missing: -1,
      unknown: -1,
      first: 0,
    });
  });

  it('scales every target of a regression and scales predictions back in float64', () => {
    const fit = traceFit(source({ label: ['income', 'grade'], task: 'regression', inputs: { age: nn.standardize() } }));
    expect([shapeOf(fit.graph, 'scaled'), shapeOf(fit.graph, 'prediction')]).toEqual([
      'float32 [batch, 2]',
      'float64 [batch, 2]',
    ]);
    expect(fit.label.feed.map((feed) => feed.name)).toEqual(['label.0', 'label.1']);
    expect(fit.slots.map((slot) => slot.name)).toEqual([
      'age.mean',
      'age.standardDeviation',
      'income.standardDeviation',
      'grade.standardDeviation',
      'income.mean',
      'grade.mean',
    ]);
  });

  it('multiplies class weights into the rows’ weights', () => {
    const { label } = traceFit(
      source({
        label: 'kind',
        task: 'multiclass',
        weight: 'weight',
        loss: nn.categoricalCrossEntropy({ classWeights: { rare: 5 } }),
      }),
    );
    expect(label.feed.map((feed) => feed.name)).toEqual(['label', 'weight']);
    expect(label.nodes.map((node) => node.op)).toEqual([
      'input',
      'slot',
      'lookup',
      'input',
      'cast',
      'constant',
      'constant',
      'equal',
      'constant',
      'where',
      'multiply',
    ]);
    expect(traceFit(source()).label.feed.map((feed) => feed.name)).toEqual(['label']);
  });

  it('shares a vocabulary by name, each input with a table of its own', () => {
    const shared = (dimension: number): Input<never> => nn.embed({ dimension, vocabulary: 'items' });
    const { slots, graph } = traceFit(source({ inputs: { plan: shared(2), other: shared(3) } }));
    expect(slots).toMatchObject([{ name: 'shared/items.vocabulary', column: 'plan', alsoColumns: ['other'] }]);
    expect(graph.nodes.filter((node) => node.op === 'embedding').map((node) => formatShape(node.shape))).toEqual([
      '[batch, 2]',
      '[batch, 3]',
    ]);
    const unequal = problemsOf({
      inputs: { plan: shared(2), other: nn.embed({ dimension: 2, vocabulary: 'items', minCount: 9 }) },
    });
    expect(unequal).toEqual([
      'fit.inputs.other.vocabulary: expected the kind, minCount and maxSize of \'plan\', which shares the vocabulary; received string with {"kind":"vocabulary","minCount":9,"maxSize":100000} beside string with {"kind":"vocabulary","minCount":2,"maxSize":100000}.',
    ]);
  });

  it('keeps an input column named label apart from the label', () => {
    const { slots } = traceFit(
      source({
        columns: [...columns, column('label', 'string')],
        label: 'kind',
        task: 'multiclass',
        inputs: { label: nn.oneHot() },
      }),
    );
    expect(slots.map((slot) => slot.name)).toEqual(['input/label.vocabulary', 'label.vocabulary']);
  });

  it('gives two feed columns of one name different names', () => {
    const { graph } = traceFit(
      source({
        columns: [...columns, column('age.missing', 'float64')],
        inputs: { age: nn.standardize(), 'age.missing': nn.passthrough() },
      }),
    );
    expect(graph.feed.map((feed) => feed.name)).toEqual(['age', 'age.missing', 'age.missing_1']);
  });

  it('takes an input of the user’s own', () => {
    const clipped = defineInput({
      name: 'clipped',
      kinds: ['float64' as const],
      options: z.strictObject({ most: z.number() }),
      encode: (raw, { most }) => ({
        numbers: {
          '': raw.cast(raw.tracer.apply('minimum', [raw.float64(), raw.tracer.constant(most, 'float64')]), 'float32'),
        },
      }),
    });
    const { graph } = traceFit(source({ inputs: { income: clipped({ most: 10 }) } }));
    expect(graph.feed).toEqual([{ name: 'income', node: 3, dtype: 'float32' }]);
  });

  it('reports every problem of the options at once', () => {
    const inputs = {
      plan: nn.standardize(),
      age: nn.embed({ dimension: 0 }),
      income: nn.bucketize({ edges: [2, 1] }),
      other: 7,
    } as unknown as FitSource['inputs'];
    const network = nn.network(nn.dense(0), nn.residual(nn.dropout(1)), nn.output());
    expect(problemsOf({ inputs, network, loss: nn.huber() })).toEqual([
      'fit.inputs.plan: expected an input that takes string; received standardize for a column of kind string. standardize takes int8, int16, int32, int64, uint8, uint16, uint32, uint64, float32, float64.',
      'fit.inputs.age.dimension: expected at least 1; received 0.',
      'fit.inputs.income.edges.1: expected a number above 2; received 1.',
      'fit.inputs.other: expected an input such as standardize() or embed({ dimension: 4 }); received number.',
      'fit.network.0.units: expected at least 1; received 0.',
      'fit.network.1.layers.0.rate: expected less than 1; received 1.',
      'fit.loss: expected a loss for binary; received huber, for regression.',
    ]);
  });

  it('names the nearest option and the nearest activation', () => {
    expect(problemsOf({ network: nn.network(nn.dense(4, 'rellu' as 'relu'), nn.output()) })).toEqual([
      "fit.network.0.activation: expected one of relu, leakyRelu, elu, gelu, silu, sigmoid, tanh, softplus, or an activation layer; received 'rellu'.",
    ]);
    expect(
      problemsOf({ inputs: { plan: nn.embed({ dimension: 4, minCout: 3 } as unknown as { dimension: number }) } }),
    ).toEqual([
      "fit.inputs.plan.minCout: expected one of the keys dimension, minCount, maxSize, vocabulary, initializer; received 'minCout'. Did you mean 'minCount'?",
    ]);
  });

  it('refuses a nullable column where missing values are an error', () => {
    expect(problemsOf({ inputs: { age: nn.standardize({ missing: 'error' }) } })).toEqual([
      "fit.inputs.age.missing: expected a column that is never null for 'error'; received 'age', which is int32 and nullable. Declare it in .as() without .nullable, or use 'indicator' or 'mean'.",
    ]);
  });

  it('says where shapes do not fit', () => {
    expect(problemsOf({ network: nn.network(nn.dense(5), nn.residual(nn.dense(3)), nn.output()) })).toEqual([
      'fit.network.1: expected inner layers that keep the shape [batch, 5]; received [batch, 3]. End them with a dense layer of the width that comes in.',
    ]);
    expect(problemsOf({ network: nn.network(nn.dense(5)) })).toEqual([
      'fit.network: expected a last layer that gives float32 [batch, 1]; received float32 [batch, 5]. End the network with output().',
    ]);
    expect(problemsOf({ network: nn.network() })).toEqual([
      'fit.network: expected at least one layer; received none. End the network with output().',
    ]);
    expect(problemsOf({ network: nn.network(nn.embedding({ size: 3, dimension: 2 }), nn.output()) })).toEqual([
      'fit.network.0 (embedding/embedding): expected int64 indices; received float32.',
    ]);
  });

  it('refuses a weight that is no number, or may be null', () => {
    const hint = 'Cast or fill it in the SQL that makes the dataset.';
    expect(problemsOf({ weight: 'kind' })).toEqual([
      `fit.weight: expected a column of numbers that is never null; received 'kind', which is string. ${hint}`,
    ]);
    expect(problemsOf({ weight: 'age' })).toEqual([
      `fit.weight: expected a column of numbers that is never null; received 'age', which is int32 and nullable. ${hint}`,
    ]);
  });

  it('refuses class weights that a label cannot have', () => {
    expect(problemsOf({ loss: nn.binaryCrossEntropy({ classWeights: { yes: 2 } }) })).toEqual([
      "fit.loss.classWeights.yes: expected 'false' or 'true' for a bool label; received 'yes'.",
    ]);
    expect(
      problemsOf({
        label: 'grade',
        task: 'multiclass',
        loss: nn.categoricalCrossEntropy({ classWeights: { '1.5': 2 } }),
      }),
    ).toEqual(["fit.loss.classWeights.1.5: expected an integer, as the label is; received '1.5'."]);
  });

  it('wraps an exception of a user’s layer with its place', () => {
    const broken = nn.defineLayer({
      name: 'broken',
      trace: () => {
        throw new TypeError('x is undefined');
      },
    });
    expect(problemsOf({ network: nn.network(broken(), nn.output()) })).toEqual([
      'fit.network.0: expected code that traces without an exception; received TypeError: x is undefined.',
    ]);
  });

  it('gives plain JSON that reads back equal', () => {
    const fit = traceFit(
      source({ inputs: { income: nn.piecewiseLinear({ bins: 4 }), age: nn.bucketize({ edges: [1], embed: 2 }) } }),
    );
    expect(JSON.parse(JSON.stringify(fit))).toEqual(fit);
  });
});
