import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../../native/ts/package-root.js';
import { comparePrimitives, nativePrimitives, tensorPrimitives } from '../../../scripts/check-primitives.js';

describe('the rooms of the table of primitives', () => {
  it('hold the same names in TypeScript and in C++', () => {
    const source = readFileSync(join(packageRoot(), 'native', 'graph', 'primitives.cpp'), 'utf8');
    expect(comparePrimitives(tensorPrimitives(), nativePrimitives(source))).toEqual([]);
  });

  it('are reported where one lacks a name', () => {
    expect(comparePrimitives(['add', 'relu'], ['add', 'sine'])).toEqual([
      "native/graph/primitives.cpp lacks 'relu'",
      "pipelines/network/primitives.ts lacks 'sine', which native/graph has",
    ]);
  });
});
