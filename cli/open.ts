import { resolve } from 'node:path';
import { MillraceError } from '../pipelines/contracts/errors.js';
import { loadConfig, resolveSecret } from '../workflows/config/load-config.js';
import { openServices, type Services } from '../workflows/services.js';
import { defaultPlacement } from '../workflows/stages/placement.js';
import { storeDirectory } from '../workflows/store-directory.js';

export interface CommonOptions {
  readonly store?: string;
  readonly json?: boolean;
}

/** Opens the store that the options or millrace.config.ts name. */
export async function openStore(options: CommonOptions, from?: string): Promise<Services> {
  const { threads, memoryLimitMb } = defaultPlacement();
  const { config, directory } = await loadConfig(from);
  const configured = config.store?.directory === undefined ? undefined : resolve(directory, config.store.directory);
  const { metadata, artifacts } = config.store ?? {};
  return openServices({
    directory: storeDirectory(options.store, from, configured),
    ...(metadata === undefined ? {} : { metadataUrl: resolveSecret(metadata, 'store.metadata') }),
    ...(artifacts === undefined ? {} : { artifactsUrl: artifacts.url }),
    ...(artifacts?.endpoint === undefined ? {} : { artifactsEndpoint: artifacts.endpoint }),
    ...(artifacts?.region === undefined ? {} : { artifactsRegion: artifacts.region }),
    threads,
    memoryLimitMb,
  });
}

/** An integer of a flag. @throws CONFIG_INVALID */
export function integerOption(text: string, flag: string, minimum: number, maximum: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < minimum || value > maximum) {
    throw new MillraceError('CONFIG_INVALID', {
      path: flag,
      expected: `an integer from ${minimum} to ${maximum}`,
      received: `'${text}'`,
    });
  }
  return value;
}

/** How long a pipeline file may take to compile: MILLRACE_COMPILE_TIMEOUT_MS, by default a minute. @throws CONFIG_INVALID */
export function compileTimeoutMs(): number {
  return integerOption(
    process.env['MILLRACE_COMPILE_TIMEOUT_MS'] ?? '60000',
    'MILLRACE_COMPILE_TIMEOUT_MS',
    1,
    3_600_000,
  );
}

/** `name=value` texts as an object, each name once. @throws PARAMS_INVALID */
export function paramTexts(texts: readonly string[] = []): Record<string, string> {
  const values = new Map<string, string>();
  for (const text of texts) {
    const at = text.indexOf('=');
    if (at <= 0)
      throw new MillraceError('PARAMS_INVALID', { path: '--param', expected: 'name=value', received: `'${text}'` });
    const name = text.slice(0, at);
    if (values.has(name))
      throw new MillraceError('PARAMS_INVALID', {
        path: '--param',
        expected: 'each parameter once',
        received: `'${name}' again`,
        hint: 'Remove one of them.',
      });
    values.set(name, text.slice(at + 1));
  }
  return Object.fromEntries(values);
}

export function printJson(value: unknown): void {
  process.stdout.write(
    `${JSON.stringify(value, (_key, member) => (typeof member === 'bigint' ? member.toString() : member))}\n`,
  );
}
