import { existsSync, readdirSync, statSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, join, relative, resolve } from 'node:path';
import { MillraceError, nearestName } from '../../pipelines/contracts/errors.js';
import type { Json } from '../../pipelines/contracts/json.js';
import { canonicalJson, digestOf } from '../../pipelines/plan/digest.js';
import { type Plan, planSchema } from '../../pipelines/plan/schema.js';
import { type CompileRequest, compileInChild } from '../children/compile-client.js';
import { operatorDigest } from '../operator-digests.js';
import type { Services } from '../services.js';
import { type Bundle, bundleExport, bundlePipeline, type ExternalPackage } from './bundle-pipeline.js';
import { packageRootOf } from './find-root.js';

/** A compiled pipeline: its plan as an artifact, the bundle that it came from, the directory its sources resolve from. */
export interface PreparedPipeline {
  readonly plan: Plan;
  readonly digest: string;
  readonly bundle: string;
  readonly root: string;
}

interface FileState {
  readonly path: string;
  readonly size: number;
  readonly mtimeMs: number;
  readonly ino: number;
}

export interface PrepareOptions {
  readonly params: CompileRequest['params'];
  readonly signal?: AbortSignal;
  /** Default 60 s. */
  readonly timeoutMs?: number;
  /** Compiles twice and compares. */
  readonly twice?: boolean;
}

/**
 * Bundles a pipeline file, compiles it in a child process and keeps bundle and plan as artifacts.
 * Where no file that goes into the bundle has changed, both are found again without a child.
 *
 * @throws PIPELINE_NOT_FOUND, PIPELINE_DOES_NOT_COMPILE, PIPELINE_THROWS, PIPELINE_TIMEOUT, PLAN_NOT_DETERMINISTIC, PARAMS_INVALID
 */
export async function preparePipeline(
  services: Services,
  file: string,
  options: PrepareOptions,
): Promise<PreparedPipeline> {
  const path = resolve(file);
  if (!existsSync(path)) throw notFound(file, path);
  if (statSync(path).isDirectory()) throw directoryError(file, path);
  if (!/\.[cm]?[jt]sx?$/.test(path)) throw kindError(file, path);
  const root = packageRootOf(path);
  const { bundle, code, externals } = await bundleOf(services, path, root);
  const memoKey = digestOf([bundle, options.params, operatorDigest('pipelines')]);
  const known = options.twice === true ? null : ((await services.metadata.memo('plan', memoKey)) as string | null);
  if (known !== null && (await services.artifacts.isWhole(known))) {
    return { plan: await readPlan(services, known), digest: known, bundle, root };
  }
  const request: CompileRequest = {
    code: await code(),
    file: relative(process.cwd(), path) || path,
    externals: externals.map((external) => external.specifier),
    root,
    params: options.params,
    times: options.twice === true ? 2 : 1,
  };
  const plans = await compileInChild(request, {
    timeoutMs: options.timeoutMs ?? 60_000,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  if (plans.length === 2 && canonicalJson(plans[0]) !== canonicalJson(plans[1])) {
    throw new MillraceError('PLAN_NOT_DETERMINISTIC', {
      path: request.file,
      expected: 'the same plan from two compilations',
      received: `plans that differ at ${firstDifference(plans[0], plans[1], 'plan')}`,
      hint: 'Remove Math.random(), Date.now() and the like from build(); pass such values as params.',
    });
  }
  const plan = await resolveCustom(services, plans[0]!, root);
  const digest = await writePlan(services, plan);
  await services.metadata.putMemo('plan', memoKey, digest);
  return { plan, digest, bundle, root };
}

/** Keeps a plan as an artifact and returns its digest. */
export async function writePlan(services: Pick<Services, 'artifacts'>, plan: Plan): Promise<string> {
  const writer = await services.artifacts.create('plan');
  await writeFile(join(writer.directory, 'plan.json'), canonicalJson(plan));
  return (await writer.commit({ pipeline: plan.pipeline, stages: plan.stages.length })).digest;
}

export async function readPlan(services: Pick<Services, 'artifacts'>, digest: string): Promise<Plan> {
  const artifact = await services.artifacts.open(digest);
  return planSchema.parse(JSON.parse(await readFile(join(artifact.directory, 'plan.json'), 'utf8')));
}

interface BundleFacts {
  readonly bundle: string;
  readonly code: () => Promise<string>;
  readonly externals: readonly ExternalPackage[];
}

async function bundleOf(services: Services, path: string, root: string): Promise<BundleFacts> {
  const memo = (await services.metadata.memo('bundle', bundleKey(path))) as {
    files: FileState[];
    bundle: string;
    externals: ExternalPackage[];
  } | null;
  if (memo !== null && (await areUnchanged(memo.files)) && (await services.artifacts.isWhole(memo.bundle))) {
    const read = async (): Promise<string> =>
      readFile(join((await services.artifacts.open(memo.bundle)).directory, 'bundle.cjs'), 'utf8');
    return { bundle: memo.bundle, code: read, externals: memo.externals };
  }
  const bundled = await bundlePipeline(path, root);
  const digest = await writeBundle(services, bundled);
  const files = await Promise.all(
    [...bundled.files, join(root, 'package.json'), join(root, 'package-lock.json'), join(root, 'tsconfig.json')]
      .filter(existsSync)
      .map(stateOf),
  );
  // A file that changed within the last two seconds may change again within its mtime's grain: remember nothing.
  const isSettled = files.every((state) => Date.now() - state.mtimeMs > 2000);
  if (isSettled)
    await services.metadata.putMemo('bundle', bundleKey(path), {
      files,
      bundle: digest,
      externals: bundled.externals,
    } as unknown as Json);
  return { bundle: digest, code: async () => bundled.code, externals: bundled.externals };
}

/** What bundles are remembered by: the file, and the code that bundles. */
function bundleKey(path: string): string {
  return digestOf([path, operatorDigest('bundle')]);
}

async function writeBundle(services: Services, bundle: Bundle): Promise<string> {
  const writer = await services.artifacts.create('bundle');
  await writeFile(join(writer.directory, 'bundle.cjs'), bundle.code);
  return (await writer.commit({ externals: bundle.externals as unknown as Json })).digest;
}

/** Bundles the export of every custom stage alone and puts its digest in the place of the export's name. */
async function resolveCustom(services: Services, plan: Plan, root: string): Promise<Plan> {
  const stages = await Promise.all(
    plan.stages.map(async (stage) => {
      if (stage.operator !== 'custom') return stage;
      const { export: from, ...rest } = stage.options as unknown as {
        export: { module: string; name: string };
      } & Record<string, Json>;
      const bundle = await writeBundle(services, await bundleExport(from.module, from.name, root));
      return { ...stage, options: { ...rest, bundle } as typeof stage.options };
    }),
  );
  return { ...plan, stages };
}

async function stateOf(path: string): Promise<FileState> {
  const { size, mtimeMs, ino } = await stat(path);
  return { path, size, mtimeMs, ino };
}

async function areUnchanged(files: readonly FileState[]): Promise<boolean> {
  try {
    const now = await Promise.all(files.map((file) => stateOf(file.path)));
    return now.every((state, index) => canonicalJson(state) === canonicalJson(files[index]));
  } catch {
    return false;
  }
}

const fileEnding = /(\.pipeline)?\.[cm]?[jt]s$/;

function notFound(file: string, path: string): MillraceError {
  const directory = dirname(path);
  const names = existsSync(directory) ? readdirSync(directory).filter((name) => fileEnding.test(name)) : [];
  // What all pipeline files end in makes no two names alike.
  const stems = new Map(names.map((name) => [name.replace(fileEnding, ''), name]));
  const stem = nearestName(basename(path).replace(fileEnding, ''), stems.keys());
  const nearest = stem === null ? null : stems.get(stem)!;
  return new MillraceError('PIPELINE_NOT_FOUND', {
    path: file,
    expected: 'a pipeline file',
    received: existsSync(directory) ? 'no such file' : `no such directory ${directory}`,
    hint:
      nearest === null
        ? 'Make one with millrace init.'
        : `Did you mean '${file.slice(0, file.lastIndexOf('/') + 1)}${nearest}'?`,
  });
}

function directoryError(file: string, path: string): MillraceError {
  const names = readdirSync(path).sort();
  const inside =
    names.find((name) => /\.pipeline\.[cm]?[jt]s$/.test(name)) ??
    names.find((name) => /^pipeline\.[cm]?[jt]s$/.test(name));
  return new MillraceError('PIPELINE_NOT_FOUND', {
    path: file,
    expected: 'a pipeline file',
    received: 'a directory',
    hint:
      inside === undefined
        ? 'Name the file itself, or make one with millrace init.'
        : `Did you mean '${join(file, inside)}'?`,
  });
}

function kindError(file: string, path: string): MillraceError {
  const ending = extname(path);
  return new MillraceError('PIPELINE_NOT_FOUND', {
    path: file,
    expected: 'a pipeline file in TypeScript or JavaScript (.ts, .mts, .js …)',
    received: ending === '' ? 'a file without an ending' : `a file that ends in '${ending}'`,
    hint: 'Name the file that exports the pipeline: data is read by its csv(…), parquet(…) and the like.',
  });
}

function firstDifference(a: unknown, b: unknown, path: string): string {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return path;
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const [left, right] = [(a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]];
    if (canonicalJson(left ?? null) !== canonicalJson(right ?? null))
      return firstDifference(left, right, `${path}.${key}`);
  }
  return path;
}
