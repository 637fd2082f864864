import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { compileFunction } from 'node:vm';

/**
 * Evaluates a CommonJS bundle. Packages are imported beforehand, so that ESM-only ones work too;
 * those of Millrace and zod are this process's own, which makes values of both sides one kind.
 *
 * @param root - the directory that other packages resolve from.
 */
export async function loadBundle(
  code: string,
  filename: string,
  externals: readonly string[],
  root: string,
  own: Readonly<Record<string, unknown>>,
): Promise<Record<string, unknown>> {
  const require = createRequire(join(root, 'package.json'));
  const modules = new Map<string, unknown>(Object.entries(own));
  for (const specifier of externals) {
    if (!modules.has(specifier)) modules.set(specifier, await importPackage(specifier, require));
  }
  const module = { exports: {} as Record<string, unknown> };
  const evaluate = compileFunction(code, ['module', 'exports', 'require', '__filename', '__dirname'], { filename });
  evaluate(module, module.exports, (specifier: string) => modules.get(specifier) ?? require(specifier), filename, root);
  return module.exports;
}

async function importPackage(specifier: string, require: NodeJS.Require): Promise<unknown> {
  const loaded = (await import(pathToFileURL(require.resolve(specifier)).href)) as Record<string, unknown>;
  // A CommonJS package's exports are the default of its namespace: hand on what require would have given.
  return 'default' in loaded &&
    Object.keys(loaded).every(
      (name) =>
        name === 'default' ||
        name === 'module.exports' ||
        (typeof loaded['default'] === 'object' && loaded['default'] !== null && name in loaded['default']),
    )
    ? loaded['default']
    : loaded;
}
