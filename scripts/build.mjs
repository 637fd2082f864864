// Builds dist/: one bundle per entrance (chunks shared) and the table of operator digests.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
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

// Chunks of earlier builds go; those of this one stay readable for processes that run.
const written = new Set(
  builds.flatMap(({ metafile }) => Object.keys(metafile.outputs)).map((path) => path.split('/').pop()),
);
for (const name of existsSync(`${root}/dist/chunks`) ? readdirSync(`${root}/dist/chunks`) : []) {
  if (!written.has(name)) rmSync(`${root}/dist/chunks/${name}`);
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
