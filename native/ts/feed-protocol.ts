import type { FeedProblem } from './feed-addon.js';
import type { FeedTensor, WrittenShard } from './feed-files.js';

/** What the child process is asked to write. SQL is ours, never a user's text. */
export interface FeedRequest {
  /** Rows of the dataset, as its manifest names them. */
  readonly rows: number;
  /** Directories that the child's DuckDB may read. */
  readonly readable: readonly string[];
  readonly threads: number;
  readonly memoryLimitMb: number;
  /** A SELECT that calls feed_part(position, code) for every row, or null: every row is in `parts[0]`. */
  readonly partsSql: string | null;
  /** A SELECT that calls feed_row(position, columns of all tensors …, obeys) for every row. */
  readonly rowsSql: string;
  readonly tensors: readonly FeedTensor[];
  /** What to write; codes are 1 train, 2 validation, 3 test. */
  readonly parts: readonly { readonly name: string; readonly code: number }[];
  /** Absolute, existing; takes `<part>-<nnnnn>.safetensors`. */
  readonly directory: string;
  /** Whether to hash what was written. */
  readonly digests: boolean;
}

export interface FeedResponse {
  /** Rows by code, the 0 of those in no part included; null where `partsSql` was null. */
  readonly counts: readonly number[] | null;
  readonly parts: Readonly<Record<string, { readonly rows: number; readonly shards: readonly WrittenShard[] }>>;
  readonly problems: readonly FeedProblem[];
  /** By path, where asked for. */
  readonly digests: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
  /** Of the child process: its own memory, without the files' pages. */
  readonly peakMb: number;
}

export interface ChildError {
  readonly code: 'CANCELLED' | 'DISK_FULL' | 'WRITE' | 'QUERY' | 'ADDON_MISSING' | 'INTERNAL';
  readonly message: string;
}

export type ToChild = { readonly kind: 'write'; readonly request: FeedRequest } | { readonly kind: 'cancel' };

export type FromChild =
  | { readonly kind: 'progress'; readonly phase: 'parts' | 'rows' | 'digests'; readonly rows: number }
  | { readonly kind: 'done'; readonly response: FeedResponse }
  | { readonly kind: 'failed'; readonly error: ChildError };
