import type { TensorGraph } from '../network/graph.js';

/** Buckets of a histogram: `limits[i]` is the right edge of bucket i, `counts[i]` how many values lie in it. */
export interface Histogram {
  readonly left: number;
  readonly limits: readonly number[];
  readonly counts: readonly number[];
}

/** TensorBoard-compatible logging: one writer owns one run directory. Values are buffered; `close` and `flush` make them durable. */
export interface EventLog extends AsyncDisposable {
  scalar(tag: string, step: number, value: number): void;
  histogram(tag: string, step: number, histogram: Histogram): void;
  text(tag: string, step: number, markdown: string): void;
  graph(graph: TensorGraph): void;
  /** Steps of a scalar that readers find from earlier openings of the directory: a killed writer leaves some out. */
  drawnSteps(tag: string): Promise<readonly number[]>;
  hyperparameters(values: Readonly<Record<string, string | number | boolean>>, metrics: readonly string[]): void;
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** Opens a writer on a directory; `subdirectory` separates series of one stage ("train", "validation"). A second opening continues: TensorBoard drops earlier values of the steps that come again. */
export type OpenEventLog = (directory: string) => Promise<EventLog>;
