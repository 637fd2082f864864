import { join, resolve } from 'node:path';
import { isMillraceError, MillraceError } from '../../pipelines/contracts/errors.js';
import type { EventLog, Histogram, OpenEventLog } from '../../pipelines/contracts/events.js';
import type { TensorGraph } from '../../pipelines/network/graph.js';
import { readDrawnSteps } from './drawn-steps.js';
import { encodeGraph, encodeHistogram, encodeText, ScalarEncoder } from './event-encoding.js';
import { encodeGraphDef } from './graph-def.js';
import { encodeHyperparameters } from './hyperparameter-events.js';
import { SeriesFile } from './series-file.js';

/** What is written waits at most this long before a running TensorBoard sees it. */
const visibleAfterMs = 1000;

interface Series {
  readonly file: SeriesFile;
  readonly tag: string;
  readonly encoder: ScalarEncoder;
}

/** TensorBoard draws equal tags of different runs into one chart, so the two splits are runs of their own. */
function splitTag(tag: string): { readonly group: string; readonly tag: string } {
  const match = /^(train|validation)\/(.+)$/s.exec(tag);
  return match === null ? { group: '', tag } : { group: match[1]!, tag: match[2]! };
}

class TensorBoardLog implements EventLog {
  readonly #directory: string;
  readonly #files = new Map<string, SeriesFile>();
  readonly #series = new Map<string, Series>();
  #timer: NodeJS.Timeout | null = null;
  #problem: unknown = null;
  #isClosed = false;

  constructor(directory: string) {
    this.#directory = directory;
  }

  scalar(tag: string, step: number, value: number): void {
    this.#record(tag, step, ({ file, encoder }) => file.scalar(encoder, Date.now() / 1000, step, value));
  }

  histogram(tag: string, step: number, histogram: Histogram): void {
    this.#record(tag, step, ({ file, tag: inner }) => file.series(step, encodeHistogram(inner, step, histogram)));
  }

  text(tag: string, step: number, markdown: string): void {
    this.#record(tag, step, ({ file, tag: inner }) => file.description(encodeText(inner, step, markdown)));
  }

  graph(graph: TensorGraph): void {
    this.#record('', 0, ({ file }) => file.description(encodeGraph(encodeGraphDef(graph))));
  }

  hyperparameters(values: Readonly<Record<string, string | number | boolean>>, metrics: readonly string[]): void {
    this.#record('', 0, ({ file }) => {
      for (const event of encodeHyperparameters(values, metrics.map(splitTag))) file.description(event);
    });
  }

  async drawnSteps(name: string): Promise<readonly number[]> {
    const { group, tag } = splitTag(name);
    return readDrawnSteps(join(this.#directory, group), tag);
  }

  async flush(): Promise<void> {
    this.#attempt(() => {
      for (const file of this.#files.values()) file.sync();
    });
    if (this.#problem !== null) throw this.#problem;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    try {
      await this.flush();
    } finally {
      for (const file of this.#files.values()) file.close();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Problems of the disk are kept for `flush` and `close`: a log must not end the training that it tells of. */
  #record(tag: string, step: number, write: (series: Series) => void): void {
    if (this.#isClosed) throw this.#misuse('an open event log', 'a value after it was closed');
    if (!Number.isSafeInteger(step)) throw this.#misuse('an integer step', String(step));
    if (this.#problem !== null) return;
    this.#attempt(() => write(this.#seriesOf(tag)));
    this.#timer ??= setTimeout(() => this.#show(), visibleAfterMs).unref();
  }

  #show(): void {
    this.#timer = null;
    this.#attempt(() => {
      for (const file of this.#files.values()) file.write();
    });
  }

  #seriesOf(name: string): Series {
    const known = this.#series.get(name);
    if (known !== undefined) return known;
    const { group, tag } = splitTag(name);
    let file = this.#files.get(group);
    if (file === undefined) {
      file = new SeriesFile(join(this.#directory, group));
      this.#files.set(group, file);
    }
    const series = { file, tag, encoder: new ScalarEncoder(tag) };
    this.#series.set(name, series);
    return series;
  }

  #attempt(task: () => void): void {
    try {
      task();
    } catch (error) {
      if (isMillraceError(error)) throw error;
      this.#problem ??= this.#describe(error);
    }
  }

  #describe(error: unknown): unknown {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === undefined) return error;
    const isFull = code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG';
    return new MillraceError(isFull ? 'DISK_FULL' : 'STORE_UNREADABLE', {
      path: this.#directory,
      expected: isFull ? 'room on the disk for event files' : 'a directory that can be written',
      received: code,
      hint: isFull ? 'Free space and run again.' : 'Check the path and its permissions.',
      retryable: isFull,
      cause: error,
    });
  }

  #misuse(expected: string, received: string): MillraceError {
    return new MillraceError('INTERNAL', { path: `events ${this.#directory}`, expected, received });
  }
}

/**
 * Opens TensorBoard event files in a directory. Tags that begin with `train/` or `validation/` go to runs of these
 * names below it, without the prefix, so that both curves share a chart; all others go to the directory itself.
 * Steps of one log count the same thing (optimizer steps): a resumed log drops earlier values by step.
 */
export const openEventLog: OpenEventLog = async (directory) => new TensorBoardLog(resolve(directory));
