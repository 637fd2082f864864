import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import { packageRoot } from './package-root.js';

/** Columns that stand side by side in one tensor; float32 or int32. */
export interface FeedBlock {
  readonly isFloat: boolean;
  readonly width: number;
}

export interface FeedTarget {
  /** 1 train, 2 validation, 3 test. */
  readonly code: number;
  readonly rows: number;
  /** Rows of every shard but the last. */
  readonly shardRows: number;
  /** The files exist with their full size; `offsets` by block. */
  readonly shards: readonly { readonly path: string; readonly rows: number; readonly offsets: readonly number[] }[];
}

/** Values that are NULL, NaN or infinite. */
export interface FeedProblem {
  /** Position among all columns of all blocks; their number for a row that breaks a rule. */
  readonly column: number;
  readonly count: number;
  /** Position of the first such row in the dataset. */
  readonly first: number;
}

/** `native/feed/feed_session.h`: one call at a time, `cancel` and `progress` at any time. */
export interface FeedSession {
  /** Rows by code. Rejects with `code` CANCELLED, DISK_FULL, WRITE or QUERY. */
  assignParts(sql: string): Promise<number[]>;
  write(request: {
    readonly sql: string;
    readonly blocks: readonly FeedBlock[];
    readonly targets: readonly FeedTarget[];
  }): Promise<{ readonly rows: number; readonly problems: FeedProblem[] }>;
  cancel(): void;
  /** Rows that passed through the statement that runs. */
  progress(): number;
}

export interface FeedAddon {
  readonly FeedSession: new (library: string, settings: readonly string[], rows: number) => FeedSession;
}

/** Where the built addon lies. */
export function feedAddonPath(): string {
  return join(packageRoot(), 'build', 'millrace_feed.node');
}

/** @throws ADDON_MISSING - not built, or built for another platform. */
export function loadFeedAddon(): FeedAddon {
  const path = feedAddonPath();
  const missing = (received: string, cause?: unknown) =>
    new MillraceError('ADDON_MISSING', {
      path,
      expected: `the feed's addon for ${process.platform} ${process.arch}`,
      received,
      hint: 'Run `npx millrace setup`.',
      ...(cause === undefined ? {} : { cause }),
    });
  if (!existsSync(path)) throw missing('no file');
  try {
    return createRequire(import.meta.url)(path) as FeedAddon;
  } catch (error) {
    throw missing('a file that does not load', error);
  }
}

/** The DuckDB library that the npm package of its bindings carries. @throws ADDON_MISSING */
export function duckdbLibrary(): string {
  const require = createRequire(import.meta.url);
  const name = `@duckdb/node-bindings-${process.platform}-${process.arch}`;
  const file = process.platform === 'darwin' ? 'libduckdb.dylib' : 'libduckdb.so';
  try {
    const bindings = createRequire(require.resolve('@duckdb/node-api/package.json')).resolve(
      '@duckdb/node-bindings/package.json',
    );
    const path = join(dirname(createRequire(bindings).resolve(`${name}/package.json`)), file);
    if (existsSync(path)) return path;
  } catch {
    // Named below: npm leaves out optional packages of other platforms.
  }
  throw new MillraceError('ADDON_MISSING', {
    path: `${name}/${file}`,
    expected: 'the DuckDB library of this platform',
    received: 'no file',
    hint: 'Run `npm install` on this machine, without --omit=optional.',
  });
}
