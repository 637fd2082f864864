import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { custom, definePipeline, deploy, promote, register } from '../../../../pipelines/index.js';
import { columns, people, promoted } from '../churn.js';
import { thrown } from '../thrown.js';
import { untyped } from '../untyped.js';

const texts = (body: () => unknown, code = 'CONFIG_INVALID'): readonly string[] =>
  thrown(body).map(([is, text]) => {
    expect(is).toBe(code);
    return text;
  });

describe('names', () => {
  test.each([
    '',
    '.',
    '..',
    '../up',
    'a/b',
    'a\\b',
    'a b',
    '-a',
    '.a',
    'ä',
    'a\n',
    'a..b',
    'a%2fb',
    'x'.repeat(129),
    3,
    null,
    undefined,
  ])('a pipeline, model, alias or endpoint refuses %j', (name) => {
    const { onnx, report, passed, live } = promoted();
    const expected = "expected 1 to 128 letters, digits, '.', '_' or '-', a letter or digit first, without '..'";
    for (const [path, body] of [
      ['definePipeline.name', () => untyped(definePipeline)({ name, build: () => ({}) })],
      ['register.model', () => untyped(register)(onnx, { model: name, report })],
      ['promote.alias', () => untyped(promote)(passed, { alias: name })],
      ['deploy.endpoint', () => untyped(deploy)(live, { endpoint: name })],
    ] as const) {
      const [text] = texts(body, 'NAME_INVALID');
      expect(text?.startsWith(`${path}: ${expected}; received `)).toBe(true);
    }
  });

  test('control and direction characters are made visible', () => {
    expect(texts(() => untyped(definePipeline)({ name: 'a\u202e\n', build: () => ({}) }), 'NAME_INVALID')).toEqual([
      "definePipeline.name: expected 1 to 128 letters, digits, '.', '_' or '-', a letter or digit first, without '..'; received 'a\\u202e\\x0a'.",
    ]);
  });
});

describe('definePipeline and custom', () => {
  test('definePipeline refuses what is no build, no schema and unknown keys', () => {
    expect(texts(() => untyped(definePipeline)({ name: 'x', build: 3, parms: {} }), 'PIPELINE_INVALID')).toEqual([
      'definePipeline.build: expected a function; received 3.',
      "definePipeline.parms: expected one of the keys name, params, build; received 'parms'. Did you mean 'params'?",
    ]);
    expect(
      texts(() => untyped(definePipeline)({ name: 'x', params: z.string(), build: () => ({}) }), 'PARAMS_INVALID'),
    ).toEqual(['definePipeline.params: expected z.object({ … }); received z.string(…).']);
  });

  test('custom refuses what is no function, input names that are no part of an id, and options that are no JSON', () => {
    const given = { inputs: { rows: people() }, columns };
    expect(texts(() => untyped(custom)('clean', given))).toEqual([
      "custom.run: expected an exported function; received 'clean'.",
    ]);
    expect(texts(() => untyped(custom)(() => [], { ...given, inputs: { 'a/b': people() } }), 'NAME_INVALID')).toEqual([
      "custom.inputs.a/b: expected a name of 1 to 64 letters, digits and _, a letter first; received 'a/b'.",
    ]);
    expect(texts(() => untyped(custom)(() => [], { ...given, input: {} }))).toEqual([
      "custom.input: expected one of the keys inputs, columns, key, options; received 'input'. Did you mean 'inputs'?",
    ]);
    expect(texts(() => untyped(custom)(() => [], { ...given, options: { when: new Date(0) } }))).toHaveLength(1);
  });
});
