import type { SerializedError } from '../../pipelines/contracts/errors.js';
import type { TensorSpec, TensorValue } from '../../pipelines/contracts/infer.js';

export type Tensors = Readonly<Record<string, TensorValue>>;

/** To the worker. Its model is named by the worker's data. */
export interface RunMessage {
  readonly id: number;
  readonly feeds: Tensors;
}

/** From the worker: one `ready` or `failed` first, then an answer for each run. */
export type WorkerMessage =
  | { readonly kind: 'ready'; readonly inputs: readonly TensorSpec[]; readonly outputs: readonly TensorSpec[] }
  | { readonly kind: 'failed'; readonly error: SerializedError }
  | { readonly kind: 'outputs'; readonly id: number; readonly outputs: Tensors }
  | { readonly kind: 'error'; readonly id: number; readonly error: SerializedError };

/** The buffers of tensors that nobody else reads: moved between threads instead of copied. */
export function transferable(tensors: Tensors): ArrayBuffer[] {
  const buffers: ArrayBuffer[] = [];
  for (const { data } of Object.values(tensors)) {
    // A view of a part of a buffer (a library's pool) must be copied: its neighbors would lose their memory.
    if (ArrayBuffer.isView(data) && data.buffer instanceof ArrayBuffer && data.byteLength === data.buffer.byteLength) {
      buffers.push(data.buffer);
    }
  }
  return buffers;
}
