import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, test } from 'vitest';
import { pythonWithTorch } from '../../peers/python.js';
import { compareLayers } from './compare-layers.js';
import { compareLosses } from './compare-losses.js';
import { comparePrimitives } from './compare-primitives.js';
import { compareTrajectories } from './compare-trajectories.js';

const isLong = process.env['MILLRACE_LONG'] === '1';
const script = fileURLToPath(new URL('../../../scripts/make-parity-vectors.py', import.meta.url));
const given = process.env['MILLRACE_SEED'];
const seeds = given === undefined ? freshSeeds(3) : [Number(given)];

function freshSeeds(count: number): readonly number[] {
  return Array.from({ length: count }, () => Math.floor(Math.random() * 2 ** 31));
}

/** The committed script, run now: values and odd shapes that no one has seen. */
async function liveVectors(seed: number): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), `millrace-parity-${seed}-`));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  await promisify(execFile)(await pythonWithTorch(), [script, '--seed', String(seed), '--out', directory]);
  return directory;
}

// The titles of the tests come from the vectors, so these are made while the tests are collected.
const sources = isLong
  ? await Promise.all(seeds.map(async (seed) => ({ seed, directory: await liveVectors(seed) })))
  : [];
for (const seed of isLong ? seeds : []) process.stderr.write(`parity: live PyTorch with MILLRACE_SEED=${seed}\n`);

describe.skipIf(!isLong)('against PyTorch, live (MILLRACE_LONG=1; MILLRACE_SEED repeats a seed)', () => {
  // A file of tests holds one at least.
  if (!isLong) test.skip('makes vectors with fresh seeds', () => {});
  for (const { seed, directory } of sources) {
    describe(`MILLRACE_SEED=${seed}`, () => {
      comparePrimitives(directory);
      compareLayers(directory);
      compareLosses(directory);
      compareTrajectories(directory);
    });
  }
});
