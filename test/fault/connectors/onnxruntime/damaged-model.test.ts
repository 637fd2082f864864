import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openInferenceEngine } from '../../../../connectors/onnxruntime/inference-engine.js';
import { writeOnnx } from '../../../../operators/export/write-onnx.js';
import type { StatisticsDocument } from '../../../../pipelines/contracts/training.js';
import { traceFit } from '../../../../pipelines/network/trace-fit.js';
import { dense, network, oneHot, output, standardize } from '../../../../pipelines/nn.js';

const folder = mkdtempSync(join(tmpdir(), 'damaged-model-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function model(): Uint8Array {
  const fit = traceFit({
    columns: [
      { name: 'x', type: { kind: 'float64', nullable: true } },
      { name: 'plan', type: { kind: 'string', nullable: false } },
      { name: 'y', type: { kind: 'bool', nullable: false } },
    ],
    label: 'y',
    task: 'binary',
    inputs: { x: standardize(), plan: oneHot() },
    network: network(dense(4, 'gelu'), output()),
    loss: null,
    weight: null,
  });
  const statistics: StatisticsDocument = {
    formatVersion: 1,
    slots: {
      'x.mean': { dtype: 'float64', shape: [], values: [1] },
      'x.standardDeviation': { dtype: 'float64', shape: [], values: [2] },
      'plan.vocabulary': { dtype: 'string', shape: [2], values: ['a', 'b'] },
    },
    sizes: { 'plan.vocabulary': 2 },
    rows: { train: 1, validation: 1, test: 1 },
    classes: ['false', 'true'],
  };
  const weights = new Map(
    Object.entries({ 'dense/weight': [4, 6], 'dense/bias': [4], 'output/weight': [1, 4], 'output/bias': [1] }).map(
      ([name, shape]) => [name, { shape, data: new Float32Array(shape.reduce((a, b) => a * b)) }],
    ),
  );
  return writeOnnx(fit, statistics, weights);
}

/** Numbers from 0 to 1, the same each time (Lehmer 1951). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

describe('a damaged model', () => {
  it('loads or is refused with a code, and never takes the process down', async () => {
    const whole = model();
    const next = numbers(7);
    const path = join(folder, 'model.onnx');
    const outcomes = new Map<string, number>();
    for (let round = 0; round < 400; round++) {
      const bytes = Uint8Array.from(whole);
      for (let change = 0; change < 3; change++) bytes[Math.floor(next() * bytes.length)] = Math.floor(next() * 256);
      writeFileSync(path, round % 4 === 0 ? bytes.subarray(0, Math.floor(next() * bytes.length)) : bytes);
      let outcome = 'loaded';
      try {
        const session = await openInferenceEngine().load(path);
        await session[Symbol.asyncDispose]();
      } catch (error) {
        outcome = (error as { code: string }).code;
      }
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    expect([...outcomes.keys()].sort()).toEqual(['ARTIFACT_CORRUPT', 'GRAPH_NOT_EXPORTABLE', 'loaded']);
  });
});
