import { describe, expect, it } from 'vitest';
import { isMillraceError, MillraceErrors } from '../../../../pipelines/contracts/errors.js';
import type { ModelSignature } from '../../../../pipelines/contracts/signature.js';
import {
  type Elements,
  elementsFromRows,
  sliceElements,
  tensorsFromElements,
} from '../../../../pipelines/signature/elements.js';
import { MAX_PROBLEMS } from '../../../../pipelines/signature/problems.js';
import { answersFromOutputs, columnsFromRows, tensorsFromColumns } from '../../../../pipelines/signature/tensors.js';

const signature: ModelSignature = {
  formatVersion: 1,
  task: 'binary',
  inputs: [
    { column: { name: 'age', type: { kind: 'int32', nullable: true } }, dtype: 'float64' },
    { column: { name: 'events', type: { kind: 'int64', nullable: false } }, dtype: 'int64' },
    { column: { name: 'plan', type: { kind: 'string', nullable: true } }, dtype: 'string' },
    { column: { name: 'active', type: { kind: 'bool', nullable: false } }, dtype: 'bool' },
    { column: { name: 'spend', type: { kind: 'float32', nullable: false } }, dtype: 'float32' },
  ],
  outputs: [{ name: 'probability', dtype: 'float32', shape: [null] }],
  labels: ['churned'],
  classes: ['false', 'true'],
  threshold: 0.4,
};

const row = { age: 30, events: 2, plan: 'pro', active: true, spend: 1.5 };

function errorOf(act: () => unknown): { code: string; message: string; problems: number } {
  try {
    act();
  } catch (error) {
    if (!isMillraceError(error)) throw error;
    return {
      code: error.code,
      message: error.message,
      problems: error instanceof MillraceErrors ? error.problems.length : 1,
    };
  }
  throw new Error('nothing was thrown');
}

describe('tensorsFromColumns', () => {
  it('gives tensors of no rows for no rows', () => {
    const tensors = tensorsFromColumns(signature, { age: [], events: [], plan: [], active: [], spend: [] }, 0);
    expect(Object.keys(tensors)).toEqual(['age', 'events', 'plan', 'active', 'spend']);
    expect(tensors['events']).toEqual({ dtype: 'int64', shape: [0], data: new BigInt64Array() });
  });

  it('writes missing numbers as NaN, missing strings as the empty string, int64 as bigint and bools as 0 and 1', () => {
    const tensors = tensorsFromColumns(
      signature,
      {
        age: [null, 30],
        events: [9007199254740993n, -1],
        plan: [null, 'pro'],
        active: [true, false],
        spend: [0.5, -3],
      },
      2,
    );
    expect(tensors['age']).toEqual({ dtype: 'float64', shape: [2], data: Float64Array.of(Number.NaN, 30) });
    expect(tensors['events']).toEqual({
      dtype: 'int64',
      shape: [2],
      data: BigInt64Array.of(9007199254740993n, -1n),
    });
    expect(tensors['plan']).toEqual({ dtype: 'string', shape: [2], data: ['', 'pro'] });
    expect(tensors['active']).toEqual({ dtype: 'bool', shape: [2], data: Uint8Array.of(1, 0) });
    expect(tensors['spend']).toEqual({ dtype: 'float32', shape: [2], data: Float32Array.of(0.5, -3) });
  });

  it('reports NUL, infinity, NaN, integers out of range and nulls together, without printing them', () => {
    const error = errorOf(() =>
      tensorsFromColumns(
        signature,
        {
          age: [2147483648, 1.5],
          events: [null, 2n ** 63n],
          plan: ['a\0b', ''],
          active: [null, true],
          spend: [Number.POSITIVE_INFINITY, 1e39],
        },
        2,
      ),
    );
    expect(error.code).toBe('REQUEST_INVALID');
    expect(error.message.split('\n')).toEqual([
      'rows[0].age: expected an integer from -2147483648 to 2147483647, or null; received a number out of range.',
      'rows[1].age: expected an integer from -2147483648 to 2147483647, or null; received a fraction.',
      'rows[0].events: expected an integer from -9223372036854775808 to 9223372036854775807 (as a string beyond 2^53); received null.',
      'rows[1].events: expected an integer from -9223372036854775808 to 9223372036854775807 (as a string beyond 2^53); received an integer out of range.',
      'rows[0].plan: expected a string without NUL characters, or null; received a string with a NUL character.',
      'rows[0].active: expected true or false; received null.',
      'rows[0].spend: expected a finite number in the range of float32; received infinity.',
      'rows[1].spend: expected a finite number in the range of float32; received a number out of range.',
    ]);
  });

  it('names a column that is not there and one of another length', () => {
    const error = errorOf(() =>
      tensorsFromColumns(signature, { age: [1], events: [1n, 2n], plan: [''], active: [true] }, 1),
    );
    expect(error.message.split('\n')).toEqual([
      'columns.events: expected 1 cells; received 2.',
      'columns.spend: expected 1 cells; received no such column.',
    ]);
  });

  it('refuses integers beyond 2^53 in a float input', () => {
    const wide: ModelSignature = {
      ...signature,
      inputs: [{ column: { name: 'id', type: { kind: 'int64', nullable: true } }, dtype: 'float64' }],
    };
    expect(tensorsFromColumns(wide, { id: [9007199254740991n, null] }, 2)['id']?.data).toEqual(
      Float64Array.of(9007199254740991, Number.NaN),
    );
    expect(errorOf(() => tensorsFromColumns(wide, { id: [9007199254740992n] }, 1)).message).toBe(
      'rows[0].id: expected an integer from -9007199254740991 to 9007199254740991, or null; received an integer out of range.',
    );
  });
});

describe('columnsFromRows', () => {
  it('gives the JavaScript types of the type table', () => {
    expect(columnsFromRows(signature, [{ ...row, events: '9007199254740993', age: null }], 'rows')).toEqual({
      age: [null],
      events: [9007199254740993n],
      plan: ['pro'],
      active: [true],
      spend: [1.5],
    });
    expect(columnsFromRows(signature, [], 'rows')).toEqual({ age: [], events: [], plan: [], active: [], spend: [] });
  });

  it('reads dates and timestamps in ISO 8601, with offset and microseconds', () => {
    const dated: ModelSignature = {
      ...signature,
      inputs: [
        { column: { name: 'day', type: { kind: 'date', nullable: false } }, dtype: 'int64' },
        { column: { name: 'at', type: { kind: 'timestamp', nullable: false } }, dtype: 'int64' },
      ],
    };
    const rows = [{ day: '1970-01-02', at: '1970-01-01T01:00:00.000001+01:00' }];
    expect(columnsFromRows(dated, rows, 'rows')).toEqual({ day: ['1970-01-02'], at: [1n] });
    expect(tensorsFromElements(dated, [elementsFromRows(dated, rows, 'rows')])['day']?.data).toEqual(
      BigInt64Array.of(1n),
    );
    expect(errorOf(() => columnsFromRows(dated, [{ day: '2026-02-29', at: 'noon' }], 'rows')).message).toBe(
      'rows[0].day: expected a date as "YYYY-MM-DD"; received a string.\n' +
        'rows[0].at: expected an ISO 8601 timestamp; received a string.',
    );
  });

  it('names the nearest feature for an unknown one, and what is missing', () => {
    const { age: _, ...rest } = row;
    expect(errorOf(() => columnsFromRows(signature, [{ ...rest, agee: 3, zzzzzzzzz: 1 }], 'rows')).message).toBe(
      'rows[0].age: expected an integer from -2147483648 to 2147483647, or null; received nothing.\n' +
        'rows[0].agee: expected a feature of the model; received an unknown name. Did you mean "age"?\n' +
        'rows[0].zzzzzzzzz: expected a feature of the model; received an unknown name. The model takes age, events, plan, active, spend.',
    );
  });

  it('refuses what is no list of objects', () => {
    for (const [rows, received] of [
      [undefined, 'nothing'],
      [{}, 'an object'],
      [null, 'null'],
    ] as const) {
      const error = errorOf(() => columnsFromRows(signature, rows, 'rows'));
      expect(error.message).toBe(
        `rows: expected a list of rows; received ${received}. Send {"rows": [{"<feature>": <value>, …}, …]}.`,
      );
    }
    expect(errorOf(() => columnsFromRows(signature, [row, [1]], 'rows')).message).toBe(
      'rows[1]: expected an object with a value for each feature; received an array.',
    );
  });

  it('shows twenty problems and counts the rest', () => {
    const error = errorOf(() => columnsFromRows(signature, new Array(1000).fill({ ...row, age: 'x' }), 'rows'));
    expect(error.problems).toBe(MAX_PROBLEMS);
    expect(error.message.split('\n').at(-1)).toBe(
      'rows: expected no problems; received 1000 problems, of which 19 are shown.',
    );
  });

  it('does not take inherited properties for features', () => {
    const hostile: ModelSignature = {
      ...signature,
      inputs: [{ column: { name: 'toString', type: { kind: 'string', nullable: true } }, dtype: 'string' }],
    };
    expect(errorOf(() => columnsFromRows(hostile, [{}], 'rows')).message).toBe(
      'rows[0].toString: expected a string without NUL characters, or null; received nothing.',
    );
  });
});

describe('answersFromOutputs', () => {
  it('applies the threshold, which belongs to the second class', () => {
    const outputs = { probability: { dtype: 'float64', shape: [2], data: Float64Array.of(0.4, 0.39) } } as const;
    expect(answersFromOutputs(signature, outputs, 2)).toEqual([
      { probability: 0.4, class: 'true' },
      { probability: 0.39, class: 'false' },
    ]);
  });

  it('names every class of a multiclass model', () => {
    const multiclass: ModelSignature = { ...signature, task: 'multiclass', classes: ['a', 'b', 'c'], threshold: null };
    const outputs = {
      probabilities: { dtype: 'float64', shape: [1, 3], data: Float64Array.of(0.25, 0.5, 0.25) },
    } as const;
    expect(answersFromOutputs(multiclass, outputs, 1)).toEqual([
      { probabilities: { a: 0.25, b: 0.5, c: 0.25 }, class: 'b' },
    ]);
  });

  it('gives a number for one target and an object for several', () => {
    const one: ModelSignature = { ...signature, task: 'regression', classes: [], labels: ['price'], threshold: null };
    const data = Float64Array.of(3, 4);
    expect(answersFromOutputs(one, { prediction: { dtype: 'float64', shape: [2, 1], data } }, 2)).toEqual([
      { prediction: 3 },
      { prediction: 4 },
    ]);
    const two: ModelSignature = { ...one, labels: ['low', 'high'] };
    expect(answersFromOutputs(two, { prediction: { dtype: 'float64', shape: [1, 2], data } }, 1)).toEqual([
      { prediction: { low: 3, high: 4 } },
    ]);
  });

  it('refuses a prediction that is not finite and outputs that do not fit', () => {
    const outputs = { probability: { dtype: 'float64', shape: [2], data: Float64Array.of(0.4, Number.NaN) } } as const;
    expect(errorOf(() => answersFromOutputs(signature, outputs, 2))).toMatchObject({
      code: 'REQUEST_INVALID',
      message:
        'rows[1]: expected features whose prediction is finite; received values so large that the model overflows. Send features within the range of the training data.',
    });
    expect(errorOf(() => answersFromOutputs(signature, {}, 2))).toMatchObject({
      code: 'ARTIFACT_CORRUPT',
      message:
        'outputs.probability: expected a float tensor of 2 values; received no such output. Export the model again.',
    });
  });
});

describe('elementsFromRows', () => {
  it('makes one batch of several requests, equal to the tensors of all rows', () => {
    const rows = [row, { ...row, age: null, events: 7, active: false }, { ...row, plan: null }];
    const parts: Elements[] = [[], rows.slice(0, 2), rows.slice(2)].map((part) =>
      elementsFromRows(signature, part, 'rows'),
    );
    const batch = tensorsFromElements(signature, parts);
    expect(batch).toEqual(tensorsFromColumns(signature, columnsFromRows(signature, rows, 'rows'), 3));
    const whole = elementsFromRows(signature, rows, 'rows');
    expect(
      tensorsFromElements(signature, [sliceElements(signature, whole, 0, 1), sliceElements(signature, whole, 1, 3)]),
    ).toEqual(batch);
  });
});
