import { parentPort, workerData } from 'node:worker_threads';
import { openInferenceEngine } from '../connectors/onnxruntime/inference-engine.js';
import { serializeError } from '../pipelines/contracts/errors.js';
import { type RunMessage, transferable, type WorkerMessage } from './models/worker-messages.js';

/** The entry of an inference thread: loads one model and runs it for the server until it is terminated. */
async function main(port: NonNullable<typeof parentPort>, modelPath: string): Promise<void> {
  const send = (message: WorkerMessage, buffers: ArrayBuffer[] = []): void => port.postMessage(message, buffers);
  const loading = openInferenceEngine().load(modelPath);
  const session = await loading.catch((error: unknown) => {
    send({ kind: 'failed', error: serializeError(error) });
    return null;
  });
  if (session === null) return;
  port.on('message', ({ id, feeds }: RunMessage) => {
    session.run(feeds).then(
      (outputs) => send({ kind: 'outputs', id, outputs }, transferable(outputs)),
      (error: unknown) => send({ kind: 'error', id, error: serializeError(error) }),
    );
  });
  send({ kind: 'ready', inputs: session.inputs, outputs: session.outputs });
}

if (parentPort !== null) await main(parentPort, (workerData as { modelPath: string }).modelPath);
