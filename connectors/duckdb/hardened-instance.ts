import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { quoteLiteral } from '../../pipelines/contracts/sql.js';

/** What a hardened instance may reach and use. */
export interface InstanceLimits {
  readonly directories: readonly string[];
  readonly files: readonly string[];
  readonly threads: number;
  readonly memoryLimitMb: number;
  /** Spill folder, or null: nothing spills. */
  readonly temporaryDirectory: string | null;
}

/** An instance, and its first connection: the only one that reports progress, which is set before the lock. */
export interface HardenedInstance {
  readonly instance: DuckDBInstance;
  readonly connection: DuckDBConnection;
}

/**
 * Makes instances ahead: creating one takes most of the time of a small stage, and a blank one belongs to nobody yet.
 * The first is made when it is asked for, so that a process that never opens a session never pays.
 */
export class InstanceMaker {
  #spare: Promise<DuckDBInstance> | null = null;

  /**
   * Opens an in-memory DuckDB that has no network, no extensions beyond those built in, no files but the named ones,
   * and whose configuration can no longer change.
   *
   * The order matters: allowed paths are set while access is still enabled, and the lock comes last.
   */
  async open(limits: InstanceLimits): Promise<HardenedInstance> {
    const taken = this.#spare ?? blankInstance();
    this.#spare = null;
    const instance = await taken;
    try {
      const connection = await instance.connect();
      await connection.run(
        [
          `SET GLOBAL threads = ${limits.threads}`,
          `SET GLOBAL memory_limit = '${limits.memoryLimitMb}MiB'`,
          `SET GLOBAL temp_directory = ${quoteLiteral(limits.temporaryDirectory ?? '')}`,
          "SET GLOBAL TimeZone = 'UTC'",
          // A compressed CSV is estimated at tens of rows; below this many, an ASOF join compares every pair (60 s for 2 s).
          'SET asof_loop_join_threshold = 0',
          // A stage binds its sources several times: each would read and parse every footer again.
          'SET GLOBAL parquet_metadata_cache = true',
          'SET enable_progress_bar = true',
          'SET enable_progress_bar_print = false',
          `SET GLOBAL allowed_directories = ${listLiteral(limits.directories)}`,
          `SET GLOBAL allowed_paths = ${listLiteral(limits.files)}`,
          'SET GLOBAL enable_external_access = false',
          'SET GLOBAL lock_configuration = true',
        ].join('; '),
      );
      return { instance, connection };
    } catch (error) {
      instance.closeSync();
      throw error;
    }
  }

  /** Begins the next instance; called while a session ends, when the disk is waited for and the cores are free. */
  prepare(): void {
    if (this.#spare !== null) return;
    this.#spare = blankInstance();
    // Whoever takes it sees the error.
    this.#spare.catch(() => {});
  }
}

function blankInstance(): Promise<DuckDBInstance> {
  return DuckDBInstance.create(':memory:', {
    // One thread until the session's own number is set: starting threads takes time.
    threads: '1',
    allow_persistent_secrets: 'false',
    allow_community_extensions: 'false',
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  });
}

function listLiteral(paths: readonly string[]): string {
  return `[${paths.map(quoteLiteral).join(', ')}]`;
}
