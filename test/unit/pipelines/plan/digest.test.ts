import { createHash } from 'node:crypto';
import vm from 'node:vm';
import { expect, test } from 'vitest';
import { canonicalJson, digestOf, sha256Hex } from '../../../../pipelines/plan/digest.js';

test.each([
  [null, 'null'],
  [true, 'true'],
  [-0, '0'],
  [1e21, '1e+21'],
  [0.1, '0.1'],
  ['é"\u2028\n', '"é\\"\u2028\\n"'],
  ['\ud800', '"\\ud800"'],
  [[], '[]'],
  [{}, '{}'],
  [[undefined, null, [1]], '[null,null,[1]]'],
  // biome-ignore lint/suspicious/noSparseArray: a hole is what is tested
  [[, 1], '[null,1]'],
  [{ b: 1, a: undefined, A: [{ d: 1, c: 2 }] }, '{"A":[{"c":2,"d":1}],"b":1}'],
  [{ '10': 1, '9': 2 }, '{"10":1,"9":2}'],
  [Object.assign(Object.create(null), { a: 1 }), '{"a":1}'],
])('%j is canonical as %s', (value, text) => {
  expect(canonicalJson(value)).toBe(text);
});

test('objects of another realm, such as a workflow sandbox, are plain too', () => {
  expect(canonicalJson(vm.runInNewContext('({ b: [1], a: {} })'))).toBe('{"a":{},"b":[1]}');
});

test.each([
  [Number.NaN, 'canonical JSON holds finite numbers only, not NaN'],
  [Number.NEGATIVE_INFINITY, 'canonical JSON holds finite numbers only, not -Infinity'],
  [1n, 'canonical JSON cannot hold a bigint'],
  [() => 1, 'canonical JSON cannot hold a function'],
  [Symbol('s'), 'canonical JSON cannot hold a symbol'],
  [undefined, 'canonical JSON cannot hold a undefined'],
  [{ at: new Date(0) }, 'canonical JSON holds plain objects only, not a Date'],
  [new Map([[1, 2]]), 'canonical JSON holds plain objects only, not a Map'],
  [new Float32Array(2), 'canonical JSON holds plain objects only, not a Float32Array'],
])('refuses %s', (value, message) => {
  expect(() => canonicalJson(value)).toThrow(new TypeError(message));
});

test('the order of members does not change a digest, the order of items does', () => {
  expect(digestOf({ a: 1, b: 2 })).toBe(digestOf({ b: 2, a: 1 }));
  expect(digestOf([1, 2])).not.toBe(digestOf([2, 1]));
});

test("sha256 is Node's, over UTF-8", () => {
  for (const text of ['', 'abc', 'é😀', 'x'.repeat(1000)]) {
    expect(sha256Hex(text)).toBe(createHash('sha256').update(text).digest('hex'));
  }
});
