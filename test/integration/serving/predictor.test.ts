import { describe, expect, it } from 'vitest';
import { openPredictor } from '../../../serving/predictor.js';
import { churnModel, churnSignature, openWorld, writeBundle } from './world.js';

const row = { age: 30, events: 256n, plan: 'pro', active: true };

describe('openPredictor', () => {
  it('answers rows in the types of the program, and overlapping calls each their own', async () => {
    await using world = await openWorld();
    const artifact = await writeBundle(world.artifacts, churnModel(0.25), churnSignature);
    await using predictor = await openPredictor({ artifact, infer: world.infer });
    expect(predictor.bundle).toBe(artifact.digest);
    const answers = await Promise.all([
      predictor.predict([row]),
      predictor.predict([]),
      predictor.predict([{ ...row, events: 0, age: null }, row]),
    ]);
    expect(answers).toEqual([
      [{ probability: 0.5, class: 'true' }],
      [],
      [
        { probability: 0.25, class: 'false' },
        { probability: 0.5, class: 'true' },
      ],
    ]);
    await expect(predictor.predict([{ ...row, age: Number.NaN }])).rejects.toMatchObject({
      code: 'REQUEST_INVALID',
      message: 'rows[0].age: expected an integer from -2147483648 to 2147483647, or null; received NaN.',
    });
  });

  it('refuses an artifact that is no model and a signature that does not parse', async () => {
    await using world = await openWorld();
    const writer = await world.artifacts.create('value');
    const value = await writer.commit({});
    await expect(openPredictor({ artifact: value, infer: world.infer })).rejects.toMatchObject({
      code: 'ARTIFACT_CORRUPT',
      message: `artifact ${value.digest.slice(0, 12)}: expected an onnx artifact with model.onnx and signature.json; received kind value with no files. Register the output of exportOnnx.`,
    });
    const signature = { ...churnSignature, task: 'clustering' } as unknown as typeof churnSignature;
    const artifact = await writeBundle(world.artifacts, churnModel(0.25), signature);
    await expect(openPredictor({ artifact, infer: world.infer })).rejects.toMatchObject({
      code: 'ARTIFACT_CORRUPT',
      path: `artifact ${artifact.digest.slice(0, 12)}/signature.json`,
    });
  });
});
