import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { packageRoot } from '../../native/ts/package-root.js';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import { type CommonOptions, printJson } from '../open.js';

const pipelineFile = `import { atLeast, csv, definePipeline, deploy, evaluate, exportOnnx, fit, gate, noWorseThan, promote, register, split } from 'millrace';
import { dense, embed, network, output, standardize } from 'millrace/nn';
import { t } from 'millrace/types';
import { z } from 'zod';

/** Will a visitor buy? A first pipeline: from a CSV file to a served model. */
export default definePipeline({
  name: 'visitors',
  params: z.object({ maxEpochs: z.int().min(1).default(20) }),
  build: ({ params }) => {
    const visits = csv('data/visits.csv', {
      columns: { visit_id: t.int64, source: t.string, pages: t.int32, minutes: t.float64.nullable, returning: t.bool, bought: t.bool },
      key: 'visit_id',
    });
    const data = split(visits, { by: 'visit_id', fractions: { train: 0.7, validation: 0.15, test: 0.15 }, seed: 1 });
    const model = fit(data, {
      label: 'bought',
      inputs: { source: embed({ dimension: 2 }), pages: standardize(), minutes: standardize(), returning: embed({ dimension: 1 }) },
      network: network(dense(16, 'relu'), output()),
      training: { optimizer: { kind: 'adam', learningRate: 1e-2 }, batchSize: 64, maxEpochs: params.maxEpochs, seed: 1 },
    });
    const onnx = exportOnnx(model);
    const report = evaluate(onnx, data, { slices: ['source'] });
    const version = register(onnx, { model: 'visitors', report });
    const passed = gate(version, [atLeast('auc', 0.7), noWorseThan('champion', 'auc', { margin: 0.02 })]);
    const live = promote(passed, { alias: 'champion' });
    return { visits, data, model, onnx, report, version, passed, live, endpoint: deploy(live, { endpoint: 'visitors' }) };
  },
});
`;

const tsconfig = {
  compilerOptions: {
    target: 'ES2022',
    module: 'NodeNext',
    moduleResolution: 'NodeNext',
    strict: true,
    noEmit: true,
    skipLibCheck: true,
  },
  include: ['*.ts'],
};

/** Writes a small pipeline with data that runs at once. Files that exist are kept. */
export async function init(directory: string, options: CommonOptions): Promise<void> {
  const target = resolve(directory);
  const file = join(target, 'visitors.pipeline.ts');
  if (existsSync(file)) {
    throw new MillraceError('CONFIG_INVALID', {
      path: file,
      expected: 'a directory without this file',
      received: 'one that has it',
      hint: 'Name another directory: millrace init DIRECTORY.',
    });
  }
  await mkdir(join(target, 'data'), { recursive: true });
  await writeFile(file, pipelineFile);
  const data = join(target, 'data', 'visits.csv');
  const written = [file];
  const zod = ownZod();
  if (!existsSync(data)) {
    await writeFile(data, visits());
    written.push(data);
  }
  for (const [name, content] of [
    ['package.json', { name: 'my-pipelines', private: true, type: 'module', dependencies: { zod } }],
    ['tsconfig.json', tsconfig],
  ] as const) {
    const path = join(target, name);
    if (existsSync(path)) continue;
    await writeFile(path, `${JSON.stringify(content, null, 2)}\n`);
    written.push(path);
  }
  const missing = lacksZod(join(target, 'package.json')) ? `\n\nThe pipeline imports zod: npm install zod@${zod}` : '';
  if (options.json === true) printJson({ written });
  else
    process.stdout.write(
      `${written.map((path) => `wrote ${path}`).join('\n')}${missing}\n\nRun it:\n  ${target === process.cwd() ? '' : `cd ${directory} && `}npx millrace run visitors.pipeline.ts\n`,
    );
}

/** The version of zod that pipelines run with: Millrace's own. */
function ownZod(): string {
  const { dependencies } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
    readonly dependencies: { readonly zod: string };
  };
  return dependencies.zod;
}

/** Whether a project that was there before has no zod of its own: what npm hoists, pnpm refuses. */
function lacksZod(packageJson: string): boolean {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(packageJson, 'utf8')) as {
    readonly dependencies?: object;
    readonly devDependencies?: object;
  };
  return !Object.hasOwn({ ...dependencies, ...devDependencies }, 'zod');
}

/** 2,000 visits from a fixed seed: who comes back, from a newsletter, for longer, buys more. */
function visits(): string {
  let state = 20_260_101;
  const random = (): number => {
    // Mulberry32: small, and the same everywhere.
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 4_294_967_296;
  };
  const sources = ['search', 'newsletter', 'advert', 'direct'] as const;
  const lift = { search: 0, newsletter: 1.2, advert: -0.8, direct: 0.4 };
  const lines = ['visit_id,source,pages,minutes,returning,bought'];
  for (let id = 1; id <= 2000; id++) {
    const source = sources[Math.floor(random() * sources.length)]!;
    const pages = 1 + Math.floor(-4 * Math.log(1 - random()));
    const minutes = pages * (0.5 + random());
    const returning = random() < 0.3;
    const score = -2.2 + lift[source] + 0.18 * pages + 0.08 * minutes + (returning ? 0.9 : 0);
    const bought = random() < 1 / (1 + Math.exp(-score));
    lines.push([id, source, pages, random() < 0.04 ? '' : minutes.toFixed(2), returning, bought].join(','));
  }
  return `${lines.join('\n')}\n`;
}
