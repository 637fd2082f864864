import { performance } from 'node:perf_hooks';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { InferenceSession, TensorValue } from '../../pipelines/contracts/infer.js';
import type { ModelSignature } from '../../pipelines/contracts/signature.js';
import { type Elements, sliceElements, tensorsFromElements } from '../../pipelines/signature/elements.js';
import { concatenateTensors, emptyOutputs, sliceTensor } from './tensor-rows.js';
import type { Tensors } from './worker-messages.js';

interface Waiting {
  readonly elements: Elements;
  readonly resolve: (outputs: Tensors) => void;
  readonly reject: (error: unknown) => void;
}

export interface BatchLimits {
  /** Rows of one run; a larger request goes in several, so that others get their turn. */
  readonly maxBatchRows: number;
  /** Rows that may wait; more are refused. */
  readonly maxWaitingRows: number;
  /** Told of every run. Default: nobody is. */
  readonly onBatch?: (rows: number, ms: number) => void;
}

const GATHER_TURNS = 3;

/**
 * Runs what waits as one batch. There is no timer: a batch is whatever came while the last one ran, or within one turn
 * of the event loop, so a lone request waits for nobody and load makes batches by itself.
 */
export class Batcher {
  readonly #signature: ModelSignature;
  readonly #session: InferenceSession;
  readonly #limits: BatchLimits;
  #waiting: Waiting[] = [];
  #waitingRows = 0;
  #isBusy = false;

  constructor(signature: ModelSignature, session: InferenceSession, limits: BatchLimits) {
    this.#signature = signature;
    this.#session = session;
    this.#limits = limits;
  }

  get waitingRows(): number {
    return this.#waitingRows;
  }

  /**
   * @returns the model's outputs for these rows, first axis = rows.
   * @throws SERVER_BUSY - too many rows wait; retryable.
   */
  run(elements: Elements): Promise<Tensors> {
    const { rows } = elements;
    const { maxBatchRows, maxWaitingRows } = this.#limits;
    if (rows === 0) return Promise.resolve(emptyOutputs(this.#session.outputs));
    if (this.#waitingRows + rows > maxWaitingRows && this.#waitingRows > 0)
      return Promise.reject(busy(this.#waitingRows, maxWaitingRows));
    return rows <= maxBatchRows ? this.#enqueue(elements) : this.#runInParts(elements);
  }

  async #runInParts(elements: Elements): Promise<Tensors> {
    const { rows } = elements;
    const { maxBatchRows } = this.#limits;
    const parts: Tensors[] = [];
    for (let start = 0; start < rows; start += maxBatchRows) {
      parts.push(
        await this.#enqueue(sliceElements(this.#signature, elements, start, Math.min(rows, start + maxBatchRows))),
      );
    }
    return concatenateTensors(parts);
  }

  #enqueue(elements: Elements): Promise<Tensors> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ elements, resolve, reject });
      this.#waitingRows += elements.rows;
      if (this.#isBusy) return;
      this.#isBusy = true;
      setImmediate(() => this.#gather(this.#waiting.length, GATHER_TURNS));
    });
  }

  /** Turns of the event loop are cheap beside a run: as long as each brings more, a few more are waited for. */
  #gather(seen: number, turns: number): void {
    const { length } = this.#waiting;
    if (length > seen && turns > 0) setImmediate(() => this.#gather(length, turns - 1));
    else void this.#drain();
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) await this.#runBatch(this.#take());
    this.#isBusy = false;
  }

  #take(): Waiting[] {
    let rows = 0;
    let count = 0;
    for (; count < this.#waiting.length; count++) {
      const next = this.#waiting[count]!.elements.rows;
      if (count > 0 && rows + next > this.#limits.maxBatchRows) break;
      rows += next;
    }
    const batch = this.#waiting.slice(0, count);
    this.#waiting = this.#waiting.slice(count);
    this.#waitingRows -= rows;
    return batch;
  }

  async #runBatch(batch: readonly Waiting[]): Promise<void> {
    let outputs: Tensors;
    const startedAt = performance.now();
    try {
      outputs = await this.#session.run(
        tensorsFromElements(
          this.#signature,
          batch.map(({ elements }) => elements),
        ),
      );
    } catch (error) {
      const [first] = batch;
      if (batch.length === 1) first?.reject(error);
      // One request must not fail its neighbors.
      else for (const waiting of batch) await this.#runBatch([waiting]);
      return;
    }
    const { onBatch } = this.#limits;
    if (onBatch !== undefined) {
      let rows = 0;
      for (const { elements } of batch) rows += elements.rows;
      onBatch(rows, performance.now() - startedAt);
    }
    if (batch.length === 1) {
      batch[0]?.resolve(outputs);
      return;
    }
    let start = 0;
    const named = Object.entries(outputs);
    for (const { elements, resolve } of batch) {
      const end = start + elements.rows;
      const slices: Record<string, TensorValue> = {};
      for (const [name, tensor] of named) slices[name] = sliceTensor(tensor, start, end);
      resolve(slices);
      start = end;
    }
  }
}

function busy(waiting: number, most: number): MillraceError {
  return new MillraceError('SERVER_BUSY', {
    path: 'rows',
    expected: `at most ${most} rows waiting for the model`,
    received: `${waiting} rows waiting already`,
    hint: 'Send the request again later.',
    retryable: true,
  });
}
