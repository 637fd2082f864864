import { expect, test } from 'vitest';
import type { StageRecord } from '../../../../pipelines/contracts/metadata.js';
import { ToldStages } from '../../../../workflows/temporal/told-stages.js';

const record = (stage: string, status: StageRecord['status'], attempt = 1, durationMs = 5): StageRecord =>
  ({ stage, status, attempt, durationMs }) as StageRecord;

test('tells each end once', () => {
  const told = new ToldStages();
  expect(told.news([], false)).toEqual([]);
  expect(told.news([record('rows', 'succeeded')], false)).toEqual([record('rows', 'succeeded')]);
  expect(told.news([record('rows', 'succeeded'), record('model', 'failed')], false)).toEqual([
    record('model', 'failed'),
  ]);
  expect(told.news([record('rows', 'succeeded'), record('model', 'failed')], true)).toEqual([]);
});

test('keeps back how the stages of a resumed run ended before, until they end again or the run ends', () => {
  const told = new ToldStages();
  const before = [record('rows', 'succeeded'), record('model', 'cancelled'), record('onnx', 'cancelled')];
  expect(told.news(before, false)).toEqual([record('rows', 'succeeded')]);
  expect([told.has('rows'), told.has('model')]).toEqual([true, false]);
  const again = [record('rows', 'succeeded'), record('model', 'succeeded', 1, 9), record('onnx', 'cancelled')];
  expect(told.news(again, false)).toEqual([record('model', 'succeeded', 1, 9)]);
  expect(told.news(again, true)).toEqual([record('onnx', 'cancelled')]);
});
