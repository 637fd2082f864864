import { expect, test } from 'vitest';
import type { PlanStage } from '../../../../pipelines/plan/schema.js';
import { needsOf, sortStages } from '../../../../pipelines/plan/sort-stages.js';
import { thrown } from '../thrown.js';

const stage = (id: string, inputs: readonly string[] = [], after: readonly string[] = []): PlanStage => ({
  id,
  operator: 'sql',
  class: 'pure',
  inputs: Object.fromEntries(inputs.map((input, index) => [`in${index}`, { stage: input, output: 'dataset' }])),
  options: {},
  fused: false,
  after: [...after],
});
const sorted = (stages: readonly PlanStage[]): readonly string[] => sortStages(stages).map(({ id }) => id);

test('no stages are sorted', () => {
  expect(sorted([])).toEqual([]);
});

test('stages that are in order already stay as they are', () => {
  expect(sorted([stage('b'), stage('a'), stage('c', ['a'])])).toEqual(['b', 'a', 'c']);
});

test('a stage comes after what it reads and what it waits for', () => {
  expect(sorted([stage('d', ['b'], ['c']), stage('c'), stage('b', ['a']), stage('a')])).toEqual(['a', 'b', 'c', 'd']);
  expect(needsOf(stage('d', ['b', 'b'], ['c', 'b']))).toEqual(['b', 'c']);
});

test('circles, unknown inputs and double ids are refused', () => {
  expect(
    thrown(() => sortStages([stage('x', ['a']), stage('a', ['c']), stage('b', ['a']), stage('c', ['b'])])),
  ).toEqual([['PLAN_CYCLE', 'plan.stages.a: expected a graph without circles; received a → c → b → a.']]);
  expect(thrown(() => sortStages([stage('a', [], ['a'])]))).toEqual([
    ['PLAN_CYCLE', 'plan.stages.a: expected a graph without circles; received a → a.'],
  ]);
  expect(thrown(() => sortStages([stage('a', ['b'])]))).toEqual([
    ['PLAN_INVALID', "plan.stages.a: expected inputs that are stages of the plan; received 'b'."],
  ]);
  expect(thrown(() => sortStages([stage('a'), stage('a')]))).toEqual([
    ['PLAN_INVALID', "plan.stages.a: expected ids that are unique in the plan; received 'a' twice."],
  ]);
});
