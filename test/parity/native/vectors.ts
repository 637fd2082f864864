import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openSafetensors, readTensor } from '../../../native/ts/safetensors.js';
import type { TensorValue } from '../../../pipelines/contracts/infer.js';

export type NumberTensor = Exclude<TensorValue, { dtype: 'string' }>;

/** A tensor of a file by its key. */
export type Tensor = (key: string) => NumberTensor;

/** What scripts/make-parity-vectors.py wrote for its usual seed. */
export const committedVectors = fileURLToPath(new URL('./vectors', import.meta.url));

/** float32 sums of some ten terms: a few ulp of the largest value. */
export const float32Tolerance = 1e-5;

/** One file that scripts/make-parity-vectors.py wrote. */
export function openVectors<Case>(
  directory: string,
  name: string,
): { readonly cases: readonly Case[]; readonly tensor: Tensor } {
  const file = openSafetensors(join(directory, `${name}.safetensors`));
  return {
    cases: JSON.parse(file.metadata['cases']!) as Case[],
    tensor: (key) => readTensor(file, key) as NumberTensor,
  };
}

/** The names that the sources of a folder give to `defineLayer` or `defineLoss`: what the vectors must cover. */
export function definedNames(folder: 'layers' | 'losses', define: 'defineLayer' | 'defineLoss'): readonly string[] {
  const directory = fileURLToPath(new URL(`../../../pipelines/network/${folder}`, import.meta.url));
  return readdirSync(directory)
    .filter((file) => file.endsWith('.ts') && !file.startsWith('define-') && file !== 'loss.ts')
    .flatMap((file) => [
      ...readFileSync(join(directory, file), 'utf8').matchAll(new RegExp(`${define}\\(\\{\\s*name: '(\\w+)'`, 'g')),
    ])
    .map((match) => match[1]!)
    .sort();
}

/** The largest |a - b| over the largest |b|; 0 where both are empty. Shapes must be equal. */
export function relativeError(a: NumberTensor, b: NumberTensor): number {
  if (JSON.stringify(a.shape) !== JSON.stringify(b.shape))
    throw new Error(`shape [${a.shape.join(', ')}] against [${b.shape.join(', ')}]`);
  let worst = 0;
  let scale = 0;
  for (let i = 0; i < b.data.length; i++) {
    const difference = Math.abs(Number(a.data[i]) - Number(b.data[i]));
    if (Number.isNaN(difference)) return Number.POSITIVE_INFINITY;
    worst = Math.max(worst, difference);
    scale = Math.max(scale, Math.abs(Number(b.data[i])));
  }
  return worst === 0 ? 0 : worst / (scale || 1);
}
