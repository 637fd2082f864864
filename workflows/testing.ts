// The public entrance `millrace/testing`: a pipeline on small inputs in a throw-away store.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { z } from 'zod';
import type { Pipeline, Stages } from '../pipelines/define/pipeline.js';
import { type LoadedModel, loadModel, type RunPipelineOptions, type RunResult, runPipeline } from './run.js';

/** What a test run left: the result, and the store to ask further, until it is disposed of. */
export interface TestRun extends AsyncDisposable {
  readonly result: RunResult;
  /** The throw-away store's directory. */
  readonly store: string;
  /** A model that the run registered, loaded into this process. */
  load(reference: string): Promise<LoadedModel>;
}

/**
 * Runs a pipeline in a store of its own, which goes when the result is disposed of: `await using run = await testPipeline(…)`.
 *
 * @throws what `runPipeline` throws, with the store removed.
 */
export async function testPipeline<P extends z.ZodObject, S extends Stages>(
  pipeline: string | Pipeline<P, S>,
  options: Omit<RunPipelineOptions<P>, 'store'> = {},
): Promise<TestRun> {
  const store = await mkdtemp(join(tmpdir(), 'millrace-test-'));
  const remove = (): Promise<void> => rm(store, { recursive: true, force: true });
  try {
    const result = await runPipeline(pipeline, { ...options, store });
    return { result, store, load: (reference) => loadModel(reference, { store }), [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
