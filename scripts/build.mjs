// Builds dist/: one bundle per entrance (chunks shared) and the table of operator digests.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { operatorSources } from './operator-sources.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What programs import. Packages stay outside, so that a program and Millrace share them. */
const libraryEntries = [
  'pipelines/index.ts',
  'pipelines/nn.ts',
  'pipelines/types.ts',
  'workflows/run.ts',
  'workflows/testing.ts',
];

/** What runs as a process or thread of its own. Pure JavaScript is bundled in: hundreds of small files would cost the command its start. */
const processEntries = [
  'cli/main.ts',
  'workflows/children/compile-main.ts',
  'workflows/children/custom-main.ts',
  'native/ts/rank-main.ts',
  'native/ts/feed-main.ts',
  'connectors/metadata-store/sqlite-worker.ts',
  'serving/inference-worker.ts',
];
const nativePackages = [
  '@duckdb/*',
  'onnxruntime-node',
  'onnxruntime-common',
  'libsql',
  'esbuild',
  '@node-rs/*',
  '@temporalio/*',
  'fastify',
  'apache-arrow',
  'typescript',
];

/** zod carries its messages in 50 languages, half of all that a command would parse at its start; errors are ours. */
const oneLanguage = {
  name: 'one-language',
  setup({ onLoad }) {
    onLoad({ filter: /zod\/v4\/locales\/index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js';",
    }));
  },
};

const common = {
  absWorkingDir: root,
  outdir: 'dist',
  outbase: '.',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  sourcemap: true,
  metafile: true,
  logLevel: 'warning',
};
const builds = await Promise.all([
  build({ ...common, entryPoints: libraryEntries, packages: 'external', chunkNames: 'chunks/[name]-[hash]' }),
  build({
    ...common,
    entryPoints: processEntries,
    external: nativePackages,
    plugins: [oneLanguage],
    chunkNames: 'chunks/process-[name]-[hash]',
    minifySyntax: true,
    minifyWhitespace: true,
    // CommonJS packages in the bundle ask for Node's own modules by require.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; globalThis.require ??= __createRequire(import.meta.url);",
    },
  }),
]);

await writeWorkflowBundle();

// Chunks of earlier builds go; those of this one stay readable for processes that run.
const written = new Set(
  builds.flatMap(({ metafile }) => Object.keys(metafile.outputs)).map((path) => path.split('/').pop()),
);
for (const name of existsSync(`${root}/dist/chunks`) ? readdirSync(`${root}/dist/chunks`) : []) {
  if (!written.has(name)) rmSync(`${root}/dist/chunks/${name}`);
}

/** The workflow's code for Temporal's sandbox, bundled by its SDK: the same sources give the same bytes, whose digest is a worker's build id. */
async function writeWorkflowBundle() {
  const target = `${root}/dist/workflows/temporal/workflows.bundle.js`;
  const { metafile } = await build({
    ...common,
    entryPoints: ['workflows/temporal/workflows.ts'],
    write: false,
    splitting: false,
    packages: 'external',
  });
  const sources = Object.keys(metafile.inputs).sort();
  const hash = createHash('sha256').update(readFileSync(`${root}/package-lock.json`));
  for (const source of sources) hash.update(source).update(readFileSync(`${root}/${source}`));
  const stamp = `// sources ${hash.digest('hex')}\n`;
  if (existsSync(target) && readFileSync(target, 'utf8').startsWith(stamp)) return;
  const { bundleWorkflowCode } = await import('@temporalio/worker');
  const quiet = { trace() {}, debug() {}, info() {}, log() {}, warn: console.warn, error: console.error };
  const { code } = await bundleWorkflowCode({
    workflowsPath: `${root}/workflows/temporal/workflows.ts`,
    logger: quiet,
    webpackConfigHook: (config) => ({
      ...config,
      resolve: { ...config.resolve, extensionAlias: { '.js': ['.ts', '.js'] } },
    }),
  });
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, stamp + code);
}

/** sha256 of what an operator's sources bundle to, without comments, layout and types. */
async function operatorDigest(sources) {
  const result = await build({
    absWorkingDir: root,
    stdin: {
      contents: sources.map((source, index) => `export * as part${index} from './${source}';`).join('\n'),
      resolveDir: root,
    },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    logLevel: 'silent',
  });
  return createHash('sha256').update(result.outputFiles[0].text).digest('hex');
}

const digests = await Promise.all(
  Object.entries(operatorSources).map(async ([operator, sources]) => [operator, await operatorDigest(sources)]),
);
writeFileSync(`${root}/dist/operator-digests.json`, `${JSON.stringify(Object.fromEntries(digests), null, 2)}\n`);
