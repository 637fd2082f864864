import { existsSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import type { z } from 'zod';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { configSchema, SecretReference } from '../../pipelines/define/config.js';

/** What a configuration file says, checked; with the directory that its paths resolve from. */
export interface LoadedConfig {
  readonly file: string | null;
  readonly directory: string;
  readonly config: z.output<typeof configSchema>;
}

const names = ['millrace.config.ts', 'millrace.config.mts', 'millrace.config.mjs', 'millrace.config.js'];

/**
 * Reads `millrace.config.ts` of the nearest package (or of a directory above it); an empty one where there is none.
 *
 * @throws CONFIG_INVALID - every problem at once. PIPELINE_DOES_NOT_COMPILE, PIPELINE_THROWS
 */
export async function loadConfig(from: string = process.cwd()): Promise<LoadedConfig> {
  const file = findConfig(from);
  if (file === null) return { file: null, directory: resolve(from), config: {} };
  const [{ bundlePipeline }, { loadBundle }, { configSchema: schema }, { parseOptions }, millrace] = await Promise.all([
    import('../bundle/bundle-pipeline.js'),
    import('../children/load-bundle.js'),
    import('../../pipelines/define/config.js'),
    import('../../pipelines/define/parse-options.js'),
    import('../../pipelines/index.js'),
  ]);
  const directory = dirname(file);
  const shown = relative(process.cwd(), file) || file;
  const { code, externals } = await bundlePipeline(file, directory);
  let loaded: Record<string, unknown>;
  try {
    loaded = await loadBundle(
      code,
      file,
      externals.map(({ specifier }) => specifier),
      directory,
      { millrace },
    );
  } catch (error) {
    throw new MillraceError('PIPELINE_THROWS', {
      path: shown,
      expected: 'a configuration that evaluates',
      received: `an error it threw (${error instanceof Error ? error.message : String(error)})`,
      hint: 'Mend it and run again.',
      cause: error,
    });
  }
  if (loaded['default'] === undefined) {
    throw new MillraceError('CONFIG_INVALID', {
      path: shown,
      expected: 'a default export',
      received: 'none',
      hint: 'Write export default defineConfig({ … }).',
    });
  }
  return { file, directory, config: parseOptions(schema, withoutPasswords(loaded['default']), shown) };
}

/** A password in a URL is refused: the error shows the URL without it. */
function withoutPasswords(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(/(\/\/[^@/:]*):[^@/]*@/, '$1:…@');
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, withoutPasswords(member)]));
}

/** A written value, or the environment variable that a reference names. @throws CONFIG_INVALID - it is not set. */
export function resolveSecret(value: string | SecretReference, path: string): string {
  if (typeof value === 'string') return value;
  const found = process.env[value.secret];
  if (found !== undefined && found !== '') return found;
  throw new MillraceError('CONFIG_INVALID', {
    path,
    expected: `the environment variable ${value.secret}`,
    received: found === undefined ? 'none of that name' : 'an empty one',
    hint: 'Set it for this process.',
  });
}

function findConfig(from: string): string | null {
  for (let directory = resolve(from); ; directory = dirname(directory)) {
    const found = names.map((name) => join(directory, name)).find(existsSync);
    if (found !== undefined) return found;
    if (directory === dirname(directory)) return null;
  }
}
