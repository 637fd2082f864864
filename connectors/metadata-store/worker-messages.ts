import type { SerializedError } from '../../pipelines/contracts/errors.js';

export interface WorkerData {
  readonly file: string;
  readonly busyTimeoutMs: number;
}

/** One operation on its way to the worker. */
export interface CallMessage {
  readonly id: number;
  readonly name: string;
  readonly namespace: string;
  readonly arguments: readonly unknown[];
}

export type ToWorker = { readonly kind: 'calls'; readonly calls: readonly CallMessage[] } | { readonly kind: 'close' };

export type Reply =
  | { readonly id: number; readonly value: unknown; readonly error: null }
  | { readonly id: number; readonly value: null; readonly error: SerializedError };

export type FromWorker =
  | { readonly kind: 'opened' }
  | { readonly kind: 'unopened'; readonly error: SerializedError }
  | { readonly kind: 'replies'; readonly replies: readonly Reply[] }
  | { readonly kind: 'closed' };
