import { performance } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { InferenceEngine, InferenceSession } from '../../pipelines/contracts/infer.js';
import type { ModelSignature } from '../../pipelines/contracts/signature.js';
import { type Elements, tensorsFromElements } from '../../pipelines/signature/elements.js';
import type { Bundle } from './bundle.js';
import { openWorkerSession } from './worker-session.js';

/** Rows of the batch that warm-up measures. */
export const WARM_ROWS = 32;
const WARM_RUNS = 7;

/** Where a model runs. Loading and running in the server's own thread hold it up for as long as they take. */
export interface RunPlacement {
  /** A model whose batch of 32 rows takes longer (the least of the warm-up) runs on a thread of its own. */
  readonly workerAboveMs: number;
  /** A model file larger than this is loaded on a thread of its own from the start. */
  readonly workerAboveBytes: number;
}

export interface WarmSession {
  readonly session: InferenceSession;
  readonly place: 'process' | 'worker';
  /** The least of the warm-up, ms a batch of 32 rows. */
  readonly batchMs: number;
}

/**
 * Loads a bundle and runs it until it is warm, so that the first request is as fast as the next.
 *
 * @throws ARTIFACT_CORRUPT - the model's inputs or outputs are not those of its signature.
 */
export async function openWarmSession(
  bundle: Bundle,
  infer: InferenceEngine,
  placement: RunPlacement,
): Promise<WarmSession> {
  if (bundle.modelBytes > placement.workerAboveBytes) return openInWorker(bundle);
  const session = await infer.load(bundle.modelPath);
  try {
    checkSession(bundle, session);
    const batchMs = await warm(bundle.signature, session);
    if (batchMs <= placement.workerAboveMs) return { session, place: 'process', batchMs };
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw error;
  }
  await session[Symbol.asyncDispose]();
  return openInWorker(bundle);
}

async function openInWorker(bundle: Bundle): Promise<WarmSession> {
  const session = await openWorkerSession(bundle.modelPath);
  try {
    checkSession(bundle, session);
    return { session, place: 'worker', batchMs: await warm(bundle.signature, session) };
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw error;
  }
}

function checkSession(bundle: Bundle, session: InferenceSession): void {
  const { signature } = bundle;
  const declared = signature.inputs.map(({ column, dtype }) => `${column.name} ${dtype}`).sort();
  const found = session.inputs.map(({ name, dtype }) => `${name} ${dtype}`).sort();
  const outputs = signature.outputs.filter(
    ({ name, dtype }) => !session.outputs.some((spec) => spec.name === name && spec.dtype === dtype),
  );
  if (declared.join('\n') === found.join('\n') && outputs.length === 0) return;
  throw new MillraceError('ARTIFACT_CORRUPT', {
    path: `artifact ${bundle.digest.slice(0, 12)}/model.onnx`,
    expected: `the inputs and outputs of its signature (${declared.join(', ')})`,
    received: outputs.length === 0 ? found.join(', ') || 'no inputs' : `no output ${outputs[0]?.name}`,
    hint: 'Export the model again.',
  });
}

function sample(signature: ModelSignature, rows: number): Elements {
  const row = signature.inputs.map(({ dtype }) => (dtype === 'string' ? '' : dtype === 'int64' ? 0n : 0));
  return { rows, values: Array.from({ length: rows }, () => row).flat() };
}

/**
 * The least of several runs: load on the machine only adds to it. The engine does its work in an immediate of its own,
 * queued when `run` is called; an immediate queued just before it marks where the work begins, so that the requests
 * that the server answers in the meantime are not counted.
 */
async function warm(signature: ModelSignature, session: InferenceSession): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  await session.run(tensorsFromElements(signature, [sample(signature, 1)]));
  for (let run = 0; run < WARM_RUNS; run++) {
    const feeds = tensorsFromElements(signature, [sample(signature, WARM_ROWS)]);
    let start = performance.now();
    setImmediate(() => {
      start = performance.now();
    });
    await session.run(feeds);
    least = Math.min(least, performance.now() - start);
    // Requests that wait go first: a run may hold the server's thread.
    await turn();
  }
  return least;
}
