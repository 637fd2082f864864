import type { TensorValue } from '../../pipelines/contracts/infer.js';
import { gatherRows } from './importance.js';
import { createRandom, shuffledIndices } from './random.js';

/** Keeps the inputs of some test rows while all of them pass by in batches. */
export class InputSample {
  /** Which of the test rows, ascending. */
  readonly rows: Uint32Array;
  readonly #parts: Readonly<Record<string, TensorValue>>[] = [];
  #next = 0;

  /** @param limit - at most this many of `total` rows, drawn by `seed`. */
  constructor(total: number, limit: number, seed: number) {
    this.rows = shuffledIndices(total, createRandom(seed, 0)).slice(0, limit).sort();
  }

  add(tensors: Readonly<Record<string, TensorValue>>, firstRow: number, rows: number): void {
    const chosen: number[] = [];
    while (this.#next < this.rows.length && this.rows[this.#next]! < firstRow + rows) {
      chosen.push(this.rows[this.#next++]! - firstRow);
    }
    if (chosen.length === 0) return;
    const order = Uint32Array.from(chosen);
    this.#parts.push(
      Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, gatherRows(tensor, order)])),
    );
  }

  inputs(): Record<string, TensorValue> {
    const names = Object.keys(this.#parts[0] ?? {});
    return Object.fromEntries(names.map((name) => [name, concatenate(this.#parts.map((part) => part[name]!))]));
  }
}

function concatenate(parts: readonly TensorValue[]): TensorValue {
  const [first] = parts;
  const rows = parts.reduce((sum, part) => sum + part.shape[0]!, 0);
  const shape = [rows];
  const fill = <T extends { set(values: ArrayLike<never>, offset: number): void }>(data: T): T => {
    let offset = 0;
    for (const part of parts) {
      data.set(part.data as unknown as ArrayLike<never>, offset);
      offset += part.shape[0]!;
    }
    return data;
  };
  switch (first!.dtype) {
    case 'string':
      return { dtype: 'string', shape, data: parts.flatMap((part) => (part.dtype === 'string' ? part.data : [])) };
    case 'int64':
      return { dtype: 'int64', shape, data: fill(new BigInt64Array(rows)) };
    case 'float32':
      return { dtype: 'float32', shape, data: fill(new Float32Array(rows)) };
    case 'float64':
      return { dtype: 'float64', shape, data: fill(new Float64Array(rows)) };
    case 'bool':
      return { dtype: 'bool', shape, data: fill(new Uint8Array(rows)) };
  }
}
