// The public entrance `millrace/run`: runs pipelines and loads models inside a program.
import { availableParallelism } from 'node:os';
import type { z } from 'zod';
import type { Pipeline, Stages } from '../pipelines/define/pipeline.js';
import { compilePlan } from '../pipelines/plan/compile.js';
import { type Answer, openPredictor } from '../serving/predictor.js';
import { preparePipeline, writePlan } from './bundle/prepare-pipeline.js';
import { checkPlan } from './check/check-plan.js';
import { type RunResult, startRun } from './embedded/run-plan.js';
import { modelReference } from './model-reference.js';
import { openServices, type Services } from './services.js';
import { defaultPlacement } from './stages/placement.js';
import type { RunEvent } from './stages/stage-options.js';
import { storeDirectory } from './store-directory.js';

export type { RunResult } from './embedded/run-plan.js';
export type { RunEvent } from './stages/stage-options.js';

export interface RunPipelineOptions<P extends z.ZodObject = z.ZodObject> {
  readonly params?: z.input<P>;
  /** Directory of the store. Default as for the command: MILLRACE_STORE, then .millrace beside the nearest package.json. */
  readonly store?: string;
  /** The directory that relative source paths resolve from, for a pipeline value. Default: the working directory. */
  readonly root?: string;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: RunEvent) => void;
  /** false computes every stage again. Default true. */
  readonly cache?: boolean;
  /** Default: all cores. */
  readonly threads?: number;
}

/**
 * Runs a pipeline to its end on the embedded host.
 *
 * @param pipeline - a pipeline file's path, or a pipeline value (which can have no custom stages: their code is bundled from files).
 * @returns how it ended; a failed or blocked run is a result, not an exception.
 * @throws PARAMS_INVALID, PIPELINE_INVALID, SQL_INVALID and the like - what is wrong before anything runs, all problems at once.
 */
export async function runPipeline<P extends z.ZodObject, S extends Stages>(
  pipeline: string | Pipeline<P, S>,
  options: RunPipelineOptions<P> = {},
): Promise<RunResult> {
  const directory = storeDirectory(options.store);
  const placement = { ...defaultPlacement(), ...(options.threads === undefined ? {} : { threads: options.threads }) };
  await using services = await openServices({
    directory,
    threads: placement.threads,
    memoryLimitMb: placement.memoryLimitMb,
  });
  const signal = options.signal ?? new AbortController().signal;
  const prepared =
    typeof pipeline === 'string'
      ? await preparePipeline(services, pipeline, {
          params: { kind: 'values', values: (options.params ?? {}) as Record<string, unknown> },
          signal,
        })
      : await prepareValue(services, pipeline as unknown as Pipeline, options);
  await checkPlan(services, prepared.plan, prepared.root, signal);
  // Awaited here: leaving the scope closes the store.
  return await startRun(services, prepared, {
    root: prepared.root,
    bundle: prepared.bundle,
    useCache: options.cache ?? true,
    from: null,
    placement,
    signal,
    onEvent: options.onEvent ?? (() => {}),
  });
}

async function prepareValue(
  services: Services,
  pipeline: Pipeline,
  options: RunPipelineOptions,
): Promise<{ plan: ReturnType<typeof compilePlan>; digest: string; root: string; bundle: null }> {
  const plan = compilePlan(pipeline, (options.params ?? {}) as Record<string, unknown>, () => null);
  return { plan, digest: await writePlan(services, plan), root: options.root ?? process.cwd(), bundle: null };
}

/** A served model inside this process. */
export interface LoadedModel<R = Readonly<Record<string, unknown>>> extends AsyncDisposable {
  readonly model: string;
  readonly version: number;
  /** @throws REQUEST_INVALID - every problem at once, with the row and feature. */
  predict(rows: readonly R[]): Promise<readonly Answer[]>;
}

/**
 * Loads a registered model into this process: `loadModel('churn@champion')`, `loadModel('churn@3')`.
 *
 * @throws MODEL_NOT_FOUND - with the nearest name; ARTIFACT_CORRUPT.
 */
export async function loadModel<R = Readonly<Record<string, unknown>>>(
  reference: string,
  options: { readonly store?: string } = {},
): Promise<LoadedModel<R>> {
  const { model, selector } = modelReference(reference);
  const services = await openServices({
    directory: storeDirectory(options.store),
    threads: availableParallelism(),
    memoryLimitMb: 1024,
  });
  try {
    const version = await services.metadata.registry.version(model, selector);
    const predictor = await openPredictor({
      artifact: await services.artifacts.open(version.bundle),
      infer: services.infer,
    });
    return {
      model,
      version: version.version,
      predict: (rows) => predictor.predict(rows),
      async [Symbol.asyncDispose]() {
        await predictor.close();
        await services[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await services[Symbol.asyncDispose]();
    throw error;
  }
}
