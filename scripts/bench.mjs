// npm run bench -- NAME … [--json] [--pairs N] [--only TEXT]: runs test/bench/NAME.bench.ts and prints one line (or object) a case.
import { copyFileSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const names = readdirSync(`${root}/test/bench`)
  .filter((file) => file.endsWith('.bench.ts'))
  .map((file) => file.replace('.bench.ts', ''));
const { values, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean' }, pairs: { type: 'string' }, only: { type: 'string' } },
});
/** What every benchmark's `run` takes: how many pairs, and the part of a case's name that chooses it. */
const options = {
  ...(values.pairs === undefined ? {} : { pairs: Number(values.pairs) }),
  ...(values.only === undefined ? {} : { only: values.only }),
};

if (wanted.length === 0 || wanted.some((name) => !names.includes(name))) {
  process.stderr.write(
    `usage: npm run bench -- NAME … [--json] [--pairs N] [--only TEXT]\nnames: ${names.join(' ')}\n`,
  );
  process.exit(2);
}
if (!existsSync(`${root}/dist/cli/main.js`)) {
  process.stderr.write('dist/ is missing. Run npm run build first.\n');
  process.exit(2);
}
mkdirSync(`${root}/build/bench`, { recursive: true });
// The peers read these lists beside their own code, which is bundled into build/bench.
for (const list of ['requirements.txt', 'requirements-torch.txt']) {
  copyFileSync(`${root}/test/peers/${list}`, `${root}/build/bench/${list}`);
}
process.stderr.write(
  `${cpus().length} × ${cpus()[0]?.model}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Node ${process.version}\n`,
);
for (const name of wanted) {
  const outfile = `${root}/build/bench/${name}.mjs`;
  await build({
    absWorkingDir: root,
    entryPoints: [`test/bench/${name}.bench.ts`],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    logLevel: 'warning',
  });
  const { run } = await import(pathToFileURL(outfile).href);
  for (const result of await run(options)) {
    if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
    else {
      const { ratio, limit, fractionOfLimit } = result;
      const bound = limit === null ? '' : `  limit ${limit.toPrecision(4)} (${(100 * fractionOfLimit).toFixed(0)}%)`;
      process.stdout.write(
        `${result.name.padEnd(44)} ours ${result.ours.toPrecision(4)} ${result.unit}, rival ${result.rival.toPrecision(4)}  ratio ${ratio.median.toFixed(2)} [${ratio.low.toFixed(2)}, ${ratio.high.toFixed(2)}]${bound}\n    ${result.setting}\n`,
      );
    }
  }
}
