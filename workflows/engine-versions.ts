import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../native/ts/package-root.js';
import type { InferenceEngine } from '../pipelines/contracts/infer.js';
import type { EngineName } from '../pipelines/contracts/operator.js';
import type { SqlEngine } from '../pipelines/contracts/sql.js';

/**
 * Versions of the engines whose results stages hold. The native one is the stamp that the build left beside the addon:
 * digest of its sources, flags, compiler and libtorch. Read without loading the addon.
 */
export function engineVersions(sql: SqlEngine, infer: InferenceEngine): Readonly<Record<EngineName, string>> {
  const native = nativeStamp().stamp;
  return { duckdb: sql.version, onnxruntime: infer.version, libtorch: native, native };
}

/** What `build/millrace.json` says of the addon. */
export function nativeStamp(): { readonly stamp: string; readonly libtorchDirectory: string | null } {
  try {
    const about = JSON.parse(readFileSync(join(packageRoot(), 'build', 'millrace.json'), 'utf8')) as {
      stamp: string;
      libtorchDirectory?: string;
    };
    return { stamp: about.stamp, libtorchDirectory: about.libtorchDirectory ?? null };
  } catch {
    return { stamp: 'not built', libtorchDirectory: null };
  }
}
