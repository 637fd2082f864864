import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CliOptions, type CliResult, type RunObject, runCli, runJson } from './cli.js';
import { seededRandom } from './random.js';

const template = fileURLToPath(new URL('projects/visitors', import.meta.url));

/** A user's project in a directory of its own, with a store beside it; both go when it is disposed of. */
export interface Project extends AsyncDisposable {
  readonly directory: string;
  readonly store: string;
  /** `--store` and its value. */
  readonly inStore: readonly string[];
  read(name: string): Promise<string>;
  write(name: string, content: string | Uint8Array): Promise<void>;
  /** Replaces a text that must be there once. */
  edit(name: string, from: string, to: string): Promise<void>;
  /** `millrace run FILE`, in the project; the file is pipeline.ts unless named. */
  run(
    args?: readonly string[],
    options?: CliOptions & { readonly file?: string },
  ): Promise<RunObject & { readonly exitCode: number | null }>;
  /** The same without --json. */
  runText(args?: readonly string[], options?: CliOptions & { readonly file?: string }): Promise<CliResult>;
}

/** An empty project: a package.json and what is written into it. */
export async function emptyProject(): Promise<Project> {
  const home = await mkdtemp(join(tmpdir(), 'millrace-project-'));
  const directory = join(home, 'project');
  const store = join(home, 'store');
  await mkdir(join(directory, 'data'), { recursive: true });
  await writeFile(join(directory, 'package.json'), '{ "name": "visitors", "private": true, "type": "module" }\n');
  const inStore = ['--store', store];
  const read = (name: string): Promise<string> => readFile(join(directory, name), 'utf8');
  const args = (given: readonly string[], file: string): readonly string[] => [
    'run',
    join(directory, file),
    ...inStore,
    ...given,
  ];
  return {
    directory,
    store,
    inStore,
    read,
    write: (name, content) => writeFile(join(directory, name), content),
    async edit(name, from, to) {
      const text = await read(name);
      if (text.split(from).length !== 2)
        throw new Error(`${name} holds '${from}' ${text.split(from).length - 1} times`);
      await writeFile(
        join(directory, name),
        text.replace(from, () => to),
      );
    },
    run: (given = [], { file = 'pipeline.ts', ...options } = {}) =>
      runJson<RunObject>(args(given, file), { cwd: directory, ...options }),
    runText: (given = [], { file = 'pipeline.ts', ...options } = {}) =>
      runCli(args(given, file), { cwd: directory, ...options }),
    [Symbol.asyncDispose]: () => rm(home, { recursive: true, force: true }),
  };
}

/** The project `visitors` with generated rows. */
export async function visitorsProject(rows = 600): Promise<Project> {
  const project = await emptyProject();
  await cp(template, project.directory, { recursive: true });
  await project.write('data/visits.csv', visitsCsv(rows));
  return project;
}

/** Who stays long and comes back buys more; 4% of the minutes are missing. */
export function visitsCsv(rows: number, seed = 1): string {
  const random = seededRandom(seed);
  const sources = ['search', 'newsletter', 'advert', 'direct'];
  const lines = ['visit_id,source,pages,minutes,is_back,bought'];
  for (let id = 1; id <= rows; id++) {
    const place = Math.floor(random() * sources.length);
    const pages = 1 + Math.floor(-4 * Math.log(1 - random()));
    const minutes = pages * (0.5 + random());
    const isBack = random() < 0.3;
    const score = -2.4 + 0.5 * place + 0.25 * pages + 0.1 * minutes + (isBack ? 0.9 : 0);
    const bought = random() < 1 / (1 + Math.exp(-score));
    lines.push([id, sources[place], pages, random() < 0.04 ? '' : minutes.toFixed(2), isBack, bought].join(','));
  }
  return `${lines.join('\n')}\n`;
}

/** Stages that computed anew: acts are left out, their effects are checked in every run. */
export function ranStages(run: RunObject): string[] {
  return run.stages
    .filter(
      (stage) => stage.status === 'succeeded' && !['register', 'gate', 'promote', 'deploy'].includes(stage.operator),
    )
    .map((stage) => stage.id);
}
