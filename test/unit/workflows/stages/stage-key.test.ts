import { expect, test } from 'vitest';
import { evaluateOperator } from '../../../../operators/evaluate/evaluate-operator.js';
import { exportOnnxOperator } from '../../../../operators/export/export-operator.js';
import { fitOperator } from '../../../../operators/fit/fit-operator.js';
import type { KeyContext, Operator } from '../../../../pipelines/contracts/operator.js';
import { stageKey } from '../../../../workflows/stages/stage-key.js';

/** The parts of a stage without inputs. */
async function partsOf(operator: Operator, options: unknown, deviceClass: 'cpu' | 'cuda'): Promise<object> {
  const { keyParts: _parts, ...rest } = operator;
  const environment = {
    operatorDigest: (name: string) => `code of ${name}`,
    engineVersions: { duckdb: '1', libtorch: '2', native: '3', onnxruntime: '4' },
    deviceClass,
    context: {} as KeyContext,
  };
  return (await stageKey(rest, { options, inputs: {} }, environment)).parts;
}

test('a fit’s key holds the device that trains, whatever words chose it', async () => {
  const parts = (device: string, deviceClass: 'cpu' | 'cuda') =>
    partsOf(fitOperator, { device, training: { seed: 1 } }, deviceClass);
  const cpu = {
    operator: 'fit',
    code: 'code of fit',
    'engine.libtorch': '2',
    'options.training.seed': '1',
    device: 'cpu',
  };
  expect(await parts('auto', 'cpu')).toEqual(cpu);
  expect(await parts('cpu', 'cpu')).toEqual(cpu);
  expect(await parts('cpu', 'cuda')).toEqual(cpu);
  expect(await parts('auto', 'cuda')).toEqual({ ...cpu, device: 'cuda' });
  expect(await parts('cuda', 'cpu')).toEqual({ ...cpu, device: 'cuda' });
});

test('stages that score on the CPU in any case have no device in their keys', async () => {
  for (const operator of [exportOnnxOperator, evaluateOperator]) {
    expect(await partsOf(operator, {}, 'cuda')).toEqual(await partsOf(operator, {}, 'cpu'));
    expect(await partsOf(operator, {}, 'cuda')).not.toHaveProperty('device');
  }
});
