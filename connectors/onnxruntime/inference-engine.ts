import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename } from 'node:path';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { InferenceEngine, InferenceSession } from '../../pipelines/contracts/infer.js';
import { inspectModel } from './inspect-model.js';
import { reasonOf } from './library-message.js';
import { OnnxSession } from './onnx-session.js';

/**
 * The engine on onnxruntime-node. The library is loaded with the first model, not before: the command line stays quick.
 * Creating a session and running it are synchronous in the library: they block the event loop for their duration.
 */
export function openInferenceEngine(): InferenceEngine {
  return { version: `onnxruntime ${packageVersion()}`, load };
}

function packageVersion(): string {
  const require = createRequire(import.meta.url);
  return (require('onnxruntime-node/package.json') as { version: string }).version;
}

async function load(modelPath: string, { threads = 1 }: { readonly threads?: number } = {}): Promise<InferenceSession> {
  const path = basename(modelPath);
  const bytes = await readModel(modelPath, path);
  // From bytes, so that what was inspected is what is loaded.
  inspectModel(bytes, path);
  const runtime = await import('onnxruntime-node');
  let session: Awaited<ReturnType<typeof runtime.InferenceSession.create>>;
  try {
    session = await runtime.InferenceSession.create(bytes, {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      logSeverityLevel: 3,
    });
  } catch (error) {
    throw new MillraceError('GRAPH_NOT_EXPORTABLE', {
      path,
      expected: 'a model that onnxruntime loads',
      received: reasonOf(error),
      cause: error,
    });
  }
  try {
    return new OnnxSession(session, runtime.Tensor, path);
  } catch (error) {
    await session.release();
    throw error;
  }
}

async function readModel(modelPath: string, path: string): Promise<Uint8Array> {
  try {
    return await readFile(modelPath);
  } catch (error) {
    throw new MillraceError('ARTIFACT_CORRUPT', {
      path,
      expected: 'a model file',
      received: `'${(error as NodeJS.ErrnoException).code ?? 'unreadable'}' while reading it`,
      cause: error,
    });
  }
}
