import { describe, expect, test } from 'vitest';
import { fit } from '../../../../pipelines/index.js';
import { dense, network, standardize } from '../../../../pipelines/nn.js';
import { inputs, net, parts } from '../churn.js';
import { thrown } from '../thrown.js';
import { untyped } from '../untyped.js';

const texts = (body: () => unknown, code = 'CONFIG_INVALID'): readonly string[] =>
  thrown(body).map(([is, text]) => {
    expect(is).toBe(code);
    return text;
  });
const all = 'id, plan, age, score, at, part, churned';

describe('fit', () => {
  const wrong = (options: unknown, code?: string): readonly string[] =>
    texts(() => untyped(fit)(parts(), options), code);

  test('says every problem at once', () => {
    const options = {
      label: 'churned',
      inputs: { agee: standardize(), churned: standardize() },
      network: net,
      weight: 'plan',
      training: { batchSize: 0, optimizer: { kind: 'adam', learningRate: 1e-3, momentum: 0.9 } },
    };
    expect(wrong(options)).toEqual([
      `fit.inputs.agee: expected a column of the dataset (${all}); received 'agee'. Did you mean 'age'?`,
      "fit.weight: expected an int or float column; received 'plan', which is string.",
      "fit.training.optimizer.momentum: expected one of the keys kind, learningRate, beta1, beta2, epsilon, weightDecay; received 'momentum'. Remove it.",
      'fit.training.batchSize: expected at least 1; received 0.',
      "fit.inputs.churned: expected features other than the label; received 'churned', which is the label. Remove it: the model would only copy it.",
    ]);
  });

  test('refuses what is no options, no label and no inputs', () => {
    expect(wrong({ network: net })).toEqual([
      'fit.label: expected a string or an array; received nothing.',
      'fit.inputs: expected an object of inputs by column; received nothing.',
    ]);
    expect(wrong({ label: 'churned', inputs: {}, network: net })).toEqual([
      'fit.inputs: expected at least one input; received none.',
    ]);
    expect(wrong({ label: 'churned', inputs, network: net, devise: 'cpu' })).toEqual([
      "fit.devise: expected one of the keys label, task, inputs, network, loss, weight, training, device; received 'devise'. Did you mean 'device'?",
    ]);
    expect(wrong({ label: 'churned', inputs, network: net, device: 'gpu' })).toEqual([
      "fit.device: expected 'auto', 'cpu' or 'cuda'; received 'gpu'.",
    ]);
  });

  test.each([
    ['at', undefined, "fit.label: expected a bool, int, float or string column; received 'at', which is timestamp."],
    [
      'id',
      undefined,
      "fit.task: expected 'binary', 'multiclass' or 'regression' for an integer label; received nothing. Say what its numbers are: classes or amounts.",
    ],
    ['churned', 'regression', "fit.task: expected 'binary'; received 'regression' for a label of kind bool."],
    [
      ['score', 'plan'],
      undefined,
      "fit.label: expected int or float columns where there are several; received 'plan', which is string.",
    ],
    [['score', 'id'], 'binary', "fit.task: expected 'regression' for several labels; received 'binary'."],
    [['score', 'score'], undefined, "fit.label: expected each column once; received 'score', 'score'."],
  ])('refuses the label %j with the task %j', (label, task, text) => {
    expect(
      wrong({ label, ...(task === undefined ? {} : { task }), inputs: { age: standardize() }, network: net }),
    ).toEqual([text]);
  });

  test('the network and the inputs are checked while they are traced', () => {
    expect(wrong({ label: 'churned', inputs: { plan: standardize() }, network: net }, 'NETWORK_INVALID')).toEqual([
      'fit.inputs.plan: expected an input that takes string; received standardize for a column of kind string. standardize takes int8, int16, int32, int64, uint8, uint16, uint32, uint64, float32, float64.',
    ]);
    expect(wrong({ label: 'churned', inputs, network: network(dense(3)) }, 'NETWORK_SHAPE')).toHaveLength(1);
  });

  test.each([
    ['churned', undefined, 'binary'],
    ['plan', undefined, 'multiclass'],
    ['plan', 'binary', 'binary'],
    ['score', undefined, 'regression'],
    ['id', 'multiclass', 'multiclass'],
    [['score', 'id'], undefined, 'regression'],
  ])('the label %j with the task %j is %s', (label, task, expected) => {
    const model = untyped(fit)(parts(), { label, task, inputs: { age: standardize() }, network: net });
    expect((model as { task: string }).task).toBe(expected);
  });
});
