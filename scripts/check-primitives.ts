/**
 * Compares the three rooms of the table of primitives: the tensor primitives of pipelines/network/primitives.ts,
 * the functions of native/graph/primitives.cpp, and the mappings of operators/export/primitive-mappings.ts.
 * Prints what one has and another lacks, and ends with 1.
 *
 *     npx esbuild scripts/check-primitives.ts --bundle --platform=node --format=esm | node --input-type=module -
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../native/ts/package-root.js';
import { primitiveRules } from '../pipelines/network/primitives.js';

/** What a lowered program fills in by itself. */
const leaves = ['input', 'parameter', 'buffer', 'slot', 'constant'];

/** Names in native/graph/primitives.cpp's table: `{"name", …},`. */
export function nativePrimitives(source: string): string[] {
  return [...source.matchAll(/^\s*\{"(\w+)",/gm)].map((match) => match[1]!);
}

/** Names of the tensor region that native/graph has to run. */
export function tensorPrimitives(): string[] {
  return Object.entries(primitiveRules)
    .filter(([name, rule]) => rule.regions.includes('tensor') && !leaves.includes(name))
    .map(([name]) => name);
}

/** Sentences, one for each name that is on one side only. */
export function comparePrimitives(table: readonly string[], native: readonly string[]): string[] {
  const lacking = table
    .filter((name) => !native.includes(name))
    .map((name) => `native/graph/primitives.cpp lacks '${name}'`);
  const unknown = native
    .filter((name) => !table.includes(name))
    .map((name) => `pipelines/network/primitives.ts lacks '${name}', which native/graph has`);
  return [...lacking, ...unknown];
}

if (process.env['VITEST'] === undefined) {
  // The third room, operators/export, is a table `{ [P in Primitive]: … }`: there the compiler reports a missing row.
  const source = readFileSync(join(packageRoot(), 'native', 'graph', 'primitives.cpp'), 'utf8');
  const problems = comparePrimitives(tensorPrimitives(), nativePrimitives(source));
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
