import { describe, expect, it } from 'vitest';
import type { InferenceSession, TensorValue } from '../../../pipelines/contracts/infer.js';
import type { ModelSignature } from '../../../pipelines/contracts/signature.js';
import { type Elements, elementsFromRows } from '../../../pipelines/signature/elements.js';
import { Batcher } from '../../../serving/models/batcher.js';

const signature: ModelSignature = {
  formatVersion: 1,
  task: 'regression',
  inputs: [{ column: { name: 'x', type: { kind: 'float64', nullable: false } }, dtype: 'float64' }],
  outputs: [{ name: 'prediction', dtype: 'float64', shape: [null, 2] }],
  labels: ['a', 'b'],
  classes: [],
  threshold: null,
};

/** A session written in TypeScript: [x, -x]; it refuses 666 and notes how many rows each run had. */
function doubling(): { session: InferenceSession; runs: number[] } {
  const runs: number[] = [];
  const session: InferenceSession = {
    inputs: [{ name: 'x', dtype: 'float64', shape: [null] }],
    outputs: signature.outputs,
    run: async ({ x }) => {
      const values = Array.from((x as { data: Float64Array }).data);
      runs.push(values.length);
      if (values.includes(666)) throw new RangeError('666');
      const data = Float64Array.from(values.flatMap((value) => [value, -value]));
      return { prediction: { dtype: 'float64', shape: [values.length, 2], data } };
    },
    [Symbol.asyncDispose]: async () => {},
  };
  return { session, runs };
}

const rowsOf = (...values: number[]): Elements =>
  elementsFromRows(
    signature,
    values.map((x) => ({ x })),
    'rows',
  );
const numbers = (outputs: Readonly<Record<string, TensorValue>>): unknown => [...(outputs['prediction']?.data ?? [])];
const wide = { maxBatchRows: 1000, maxWaitingRows: 10_000 };

describe('Batcher', () => {
  it('runs what waits as one batch and gives each its own rows', async () => {
    const { session, runs } = doubling();
    const batcher = new Batcher(signature, session, wide);
    const answers = await Promise.all([batcher.run(rowsOf(1)), batcher.run(rowsOf(2, 3)), batcher.run(rowsOf(4))]);
    expect(answers.map(numbers)).toEqual([
      [1, -1],
      [2, -2, 3, -3],
      [4, -4],
    ]);
    expect(answers[1]?.['prediction']?.shape).toEqual([2, 2]);
    expect(runs).toEqual([4]);
  });

  it('answers no rows without a run', async () => {
    const { session, runs } = doubling();
    expect(await new Batcher(signature, session, wide).run(rowsOf())).toEqual({
      prediction: { dtype: 'float64', shape: [0, 2], data: new Float64Array() },
    });
    expect(runs).toEqual([]);
  });

  it('cuts a large request into runs of the limit, between which others get their turn', async () => {
    const { session, runs } = doubling();
    const batcher = new Batcher(signature, session, { ...wide, maxBatchRows: 2 });
    const [large, small] = await Promise.all([batcher.run(rowsOf(1, 2, 3, 4, 5)), batcher.run(rowsOf(9))]);
    expect(numbers(large)).toEqual([1, -1, 2, -2, 3, -3, 4, -4, 5, -5]);
    expect(large['prediction']?.shape).toEqual([5, 2]);
    expect(numbers(small)).toEqual([9, -9]);
    expect(runs).toEqual([2, 1, 2, 1]);
  });

  it('fails the request that the model refuses and none beside it', async () => {
    const { session } = doubling();
    const batcher = new Batcher(signature, session, wide);
    const answers = await Promise.allSettled([
      batcher.run(rowsOf(1)),
      batcher.run(rowsOf(666)),
      batcher.run(rowsOf(3)),
    ]);
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(numbers(await batcher.run(rowsOf(7)))).toEqual([7, -7]);
  });

  it('refuses rows beyond what may wait', async () => {
    const { session } = doubling();
    const batcher = new Batcher(signature, session, { maxBatchRows: 10, maxWaitingRows: 2 });
    const waiting = batcher.run(rowsOf(1, 2));
    await expect(batcher.run(rowsOf(3))).rejects.toMatchObject({
      code: 'SERVER_BUSY',
      retryable: true,
      message:
        'rows: expected at most 2 rows waiting for the model; received 2 rows waiting already. Send the request again later.',
    });
    expect(numbers(await waiting)).toEqual([1, -1, 2, -2]);
  });
});
