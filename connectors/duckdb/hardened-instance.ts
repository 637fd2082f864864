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
 * Opens an in-memory DuckDB that has no network, no extensions beyond those built in, no files but the named ones,
 * and whose configuration can no longer change.
 *
 * The order matters: allowed paths are set while access is still enabled, and the lock comes last.
 */
export async function openHardenedInstance(limits: InstanceLimits): Promise<HardenedInstance> {
  const instance = await DuckDBInstance.create(':memory:', {
    threads: String(limits.threads),
    memory_limit: `${limits.memoryLimitMb}MiB`,
    temp_directory: limits.temporaryDirectory ?? '',
    allow_persistent_secrets: 'false',
    allow_community_extensions: 'false',
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  });
  try {
    const connection = await instance.connect();
    await connection.run(
      [
        "SET GLOBAL TimeZone = 'UTC'",
        'SET GLOBAL preserve_insertion_order = true',
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

function listLiteral(paths: readonly string[]): string {
  return `[${paths.map(quoteLiteral).join(', ')}]`;
}
