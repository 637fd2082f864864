import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire, isBuiltin } from 'node:module';
import { dirname, extname, isAbsolute, join, relative, sep } from 'node:path';
import type { BuildFailure, Plugin } from 'esbuild';
import { packageRoot } from '../../native/ts/package-root.js';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import { packageRootOf } from './find-root.js';

/** A package that a bundle leaves outside: its name and version join the key of what runs it. */
export interface ExternalPackage {
  /** As imported: `lodash`, `millrace/nn`. */
  readonly specifier: string;
  readonly version: string;
}

export interface Bundle {
  /** CommonJS text. */
  readonly code: string;
  /** Absolute paths of the user's files in it. */
  readonly files: readonly string[];
  readonly externals: readonly ExternalPackage[];
}

/**
 * Bundles a pipeline file with what it imports of the user's own, linked packages too; installed packages stay outside.
 * Each module records its exports, so that a custom stage's function can be named.
 *
 * @throws PIPELINE_DOES_NOT_COMPILE - with file, line and esbuild's text for every error.
 */
export async function bundlePipeline(file: string, root: string): Promise<Bundle> {
  return bundle({ entryPoints: [file], plugins: [ownPackages, linkedPackages(root), recordExports(root)] }, root, file);
}

/**
 * Bundles one export alone, tree-shaken and without comments and layout: an edit that does not reach it leaves the text as it is.
 * Names are kept, because full minification changes with unrelated code.
 */
export async function bundleExport(module: string, name: string, root: string): Promise<Bundle> {
  const from = JSON.stringify(`./${module.split(sep).join('/')}`);
  return bundle(
    {
      stdin: {
        contents: `export { ${name} as run } from ${from};`,
        resolveDir: root,
        sourcefile: 'export.ts',
        loader: 'ts',
      },
      plugins: [ownPackages, linkedPackages(root)],
      minifyWhitespace: true,
      minifySyntax: true,
      legalComments: 'none',
    },
    root,
    module,
  );
}

async function bundle(options: Record<string, unknown>, root: string, path: string): Promise<Bundle> {
  const { build } = await import('esbuild');
  try {
    const result = await build({
      absWorkingDir: root,
      bundle: true,
      write: false,
      metafile: true,
      format: 'cjs',
      platform: 'node',
      target: 'node20',
      treeShaking: true,
      logLevel: 'silent',
      ...options,
    });
    const files = Object.keys(result.metafile.inputs)
      .filter((input) => input !== '<stdin>' && input !== 'export.ts')
      .map((input) => (isAbsolute(input) ? input : join(root, input)))
      .sort();
    const imported = new Set(
      Object.values(result.metafile.outputs).flatMap((output) =>
        output.imports.filter((one) => one.external).map((one) => one.path),
      ),
    );
    const externals = await Promise.all(
      [...imported]
        .filter((specifier) => !isBuiltin(specifier))
        .sort()
        .map(async (specifier) => ({ specifier, version: await versionOf(specifier, root) })),
    );
    return { code: result.outputFiles[0]!.text, files, externals };
  } catch (error) {
    if (!isBuildFailure(error)) throw error;
    const problems = error.errors.map(
      (one) =>
        `${one.location ? `${one.location.file}:${one.location.line}:${one.location.column + 1}: ` : ''}${one.text}`,
    );
    throw new MillraceError('PIPELINE_DOES_NOT_COMPILE', {
      path: relative(root, path) || path,
      expected: 'TypeScript that compiles',
      received: problems.join('; '),
      hint: 'Mend it and run again.',
    });
  }
}

function isBuildFailure(error: unknown): error is BuildFailure {
  return error instanceof Error && Array.isArray((error as { errors?: unknown }).errors);
}

/** What pipelines and custom stages get from Millrace's own process, wherever the project has it from. */
const suppliedPackages: ReadonlySet<string> = new Set(['millrace', 'zod', 'apache-arrow']);

/** The version of the package that a specifier belongs to, as it will run; 'missing' where none is found. */
async function versionOf(specifier: string, root: string): Promise<string> {
  const name = packageNameOf(specifier);
  const own = packageRoot();
  if (name === 'millrace') {
    return (JSON.parse(await readFile(join(own, 'package.json'), 'utf8')) as { version: string }).version;
  }
  const require = createRequire(join(suppliedPackages.has(name) ? own : root, 'package.json'));
  for (const directory of require.resolve.paths(name) ?? []) {
    try {
      return (JSON.parse(await readFile(join(directory, name, 'package.json'), 'utf8')) as { version: string }).version;
    } catch {
      // the next directory up
    }
  }
  return 'missing';
}

function packageNameOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** Millrace, zod and apache-arrow stay outside even where the project's tsconfig maps them to sources. */
const ownPackages: Plugin = {
  name: 'own-packages',
  setup({ onResolve }) {
    onResolve({ filter: /^(millrace(\/\w+)?|zod|apache-arrow)$/ }, ({ path }) => ({ path, external: true }));
  },
};

/** Marks the plugin's own question, which esbuild answers. */
const asks = Symbol('linked-packages');

/**
 * Installed packages stay outside; what a project links (npm workspaces, `file:`) is the user's own code and goes in, since
 * its version does not change with its content, and with it what it alone has installed. Native code stays outside.
 */
function linkedPackages(root: string): Plugin {
  return {
    name: 'linked-packages',
    setup({ onResolve, resolve: resolvePath }) {
      onResolve({ filter: /^[^./#]/ }, async ({ path, importer, kind, resolveDir, pluginData }) => {
        if (pluginData === asks || kind === 'entry-point' || isAbsolute(path)) return null;
        const outside = { path, external: true };
        if (isBuiltin(path)) return outside;
        const found = await resolvePath(path, { importer, kind, resolveDir, pluginData: asks });
        if (found.errors.length > 0 || found.namespace !== 'file') return outside;
        if (found.path.includes(`${sep}node_modules${sep}`) && isReachable(path, root)) return outside;
        return hasNativeCode(packageRootOf(found.path)) ? outside : { path: found.path };
      });
    },
  };
}

function isReachable(specifier: string, root: string): boolean {
  const name = packageNameOf(specifier);
  const directories = createRequire(join(root, 'package.json')).resolve.paths(name) ?? [];
  return directories.some((directory) => existsSync(join(directory, name)));
}

function hasNativeCode(directory: string): boolean {
  return ['binding.gyp', 'prebuilds'].some((name) => existsSync(join(directory, name)));
}

/** Appends a self-import to every module of the user's, which hands the module's exports to the compiler child. */
function recordExports(root: string): Plugin {
  return {
    name: 'record-exports',
    setup({ onLoad }) {
      onLoad({ filter: /\.[cm]?[jt]sx?$/, namespace: 'file' }, async ({ path }) => {
        if (path.includes(`${sep}node_modules${sep}`)) return null;
        const source = await readFile(path, 'utf8');
        // A CommonJS module would become another kind of module by an import; its functions are no exports to find.
        if (!/^\s*export\b/m.test(source)) return null;
        const module = relative(root, path);
        const self = JSON.stringify(`./${path.slice(dirname(path).length + 1)}`);
        const record = `\nimport * as __millraceSelf from ${self};\nglobalThis[Symbol.for('millrace.exports')]?.(${JSON.stringify(module)}, __millraceSelf);\n`;
        return { contents: source + record, resolveDir: dirname(path), loader: loaderOf(path) };
      });
    },
  };
}

function loaderOf(path: string): 'ts' | 'tsx' | 'js' | 'jsx' {
  const extension = extname(path);
  if (extension === '.tsx') return 'tsx';
  if (extension === '.jsx') return 'jsx';
  return /\.[cm]?ts$/.test(extension) ? 'ts' : 'js';
}
