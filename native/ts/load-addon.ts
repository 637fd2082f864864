import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type ErrorCode, errorCodes, MillraceError } from '../../pipelines/contracts/errors.js';
import type { Addon } from './addon-types.js';
import { packageRoot } from './package-root.js';

let loaded: Addon | null = null;

/** Where `millrace setup` puts the addon. */
export function addonPath(): string {
  return join(packageRoot(), 'build', 'millrace.node');
}

/**
 * Loads the native addon into this process, once.
 *
 * @throws ADDON_MISSING - it was never built.
 * @throws LIBTORCH_MISSING - the libtorch that it was built for is gone.
 * @throws LIBTORCH_VERSION - another libtorch was loaded than the one it was built for: there is no ABI promise.
 */
export function loadAddon(): Addon {
  if (loaded !== null) return loaded;
  const path = addonPath();
  if (!existsSync(path)) {
    throw new MillraceError('ADDON_MISSING', {
      path,
      expected: 'the native addon',
      received: 'no file',
      hint: 'Run `millrace setup` to build it.',
    });
  }
  let addon: Addon;
  try {
    addon = createRequire(import.meta.url)(path) as Addon;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const missing = /lib(torch_cpu|c10|gomp|cudart|cupti)\.[^:]*/.exec(reason);
    if (missing !== null) {
      throw new MillraceError('LIBTORCH_MISSING', {
        path: missing[0],
        expected: 'the libtorch that the addon was built for',
        received: 'a library that does not load',
        hint: 'Run `millrace setup` to find or fetch it.',
        cause,
      });
    }
    throw new MillraceError('ADDON_MISSING', {
      path,
      expected: 'an addon that loads',
      received: reason.split('\n')[0] ?? reason,
      hint: 'Run `millrace setup` to build it again.',
      cause,
    });
  }
  const { libtorch, builtFor } = addon.version();
  if (libtorch !== builtFor) {
    throw new MillraceError('LIBTORCH_VERSION', {
      path,
      expected: `libtorch ${builtFor}`,
      received: libtorch,
      hint: 'Run `millrace setup` to build the addon for the libtorch that is there.',
    });
  }
  loaded = addon;
  return addon;
}

/** An error of the addon as a MillraceError; others pass through. */
export function fromNativeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const native = error as Error & {
    code?: string;
    path?: string;
    expected?: string;
    received?: string;
    hint?: string;
    details?: Record<string, number>;
  };
  if (native.code === undefined || !(native.code in errorCodes) || native.expected === undefined) return error;
  return new MillraceError(native.code as ErrorCode, {
    path: native.path ?? 'native',
    expected: native.expected,
    received: native.received ?? 'nothing',
    ...(native.hint ? { hint: native.hint } : {}),
    details: native.details ?? {},
    cause: error,
  });
}
