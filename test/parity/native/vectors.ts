import { fileURLToPath } from 'node:url';
import { openSafetensors, readTensor, type SafetensorsFile } from '../../../native/ts/safetensors.js';
import type { TensorValue } from '../../../pipelines/contracts/infer.js';

export type NumberTensor = Exclude<TensorValue, { dtype: 'string' }>;

/** A file that scripts/make-parity-vectors.py wrote. */
export function openVectors<Case>(name: string): {
  file: SafetensorsFile;
  cases: readonly Case[];
  tensor(key: string): NumberTensor;
} {
  const file = openSafetensors(fileURLToPath(new URL(`./vectors/${name}.safetensors`, import.meta.url)));
  return {
    file,
    cases: JSON.parse(file.metadata['cases']!) as Case[],
    tensor: (key) => readTensor(file, key) as NumberTensor,
  };
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
