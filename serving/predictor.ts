import type { Artifact } from '../pipelines/contracts/artifacts.js';
import type { InferenceEngine } from '../pipelines/contracts/infer.js';
import type { ModelSignature } from '../pipelines/contracts/signature.js';
import { type Answer, answersFromOutputs } from '../pipelines/signature/answers.js';
import { elementsFromRows } from '../pipelines/signature/elements.js';
import { Batcher } from './models/batcher.js';
import { readBundle } from './models/bundle.js';
import { openWarmSession } from './models/warm-session.js';

export type { Answer };

/** A model in this process: what `loadModel` and `millrace predict` ask. */
export interface Predictor extends AsyncDisposable {
  /** Digest of the bundle. */
  readonly bundle: string;
  readonly signature: ModelSignature;
  /**
   * One answer a row. Calls that overlap share a run of the model.
   *
   * @param rows - untrusted: a list of objects with exactly the signature's columns as keys.
   * @throws REQUEST_INVALID - every problem, with paths such as `rows[3].age`.
   */
  predict(rows: unknown): Promise<Answer[]>;
  close(): Promise<void>;
}

/**
 * Loads a bundle and warms it, in this process and on this thread.
 *
 * @throws ARTIFACT_CORRUPT, GRAPH_NOT_EXPORTABLE
 */
export async function openPredictor(source: {
  readonly artifact: Artifact;
  readonly infer: InferenceEngine;
}): Promise<Predictor> {
  const bundle = await readBundle(source.artifact);
  const inProcess = { workerAboveMs: Number.POSITIVE_INFINITY, workerAboveBytes: Number.POSITIVE_INFINITY };
  const { session } = await openWarmSession(bundle, source.infer, inProcess);
  const { signature } = bundle;
  const batcher = new Batcher(signature, session, { maxBatchRows: 8192, maxWaitingRows: Number.POSITIVE_INFINITY });
  let closing: Promise<void> | null = null;
  const close = (): Promise<void> => {
    closing ??= Promise.resolve(session[Symbol.asyncDispose]());
    return closing;
  };
  return {
    bundle: bundle.digest,
    signature,
    predict: async (rows) => {
      const elements = elementsFromRows(signature, rows, 'rows');
      return answersFromOutputs(signature, await batcher.run(elements), elements.rows);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
