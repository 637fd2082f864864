import { encodeFileVersion, encodeSessionStart, type ScalarEncoder } from './event-encoding.js';
import { RecordFile } from './record-file.js';

/**
 * The event file of one run directory, made at its first event. In a directory that a former writer used, it begins
 * with a session start at the step of its first series value, so that readers drop what comes again; what has no
 * steps (text, graph, hyperparameters) waits until then, or the session start would drop it as well.
 */
export class SeriesFile {
  readonly #directory: string;
  #file: RecordFile | null = null;
  #isStarted = false;
  #waiting: Buffer[] = [];

  constructor(directory: string) {
    this.#directory = directory;
  }

  scalar(encoder: ScalarEncoder, wallTime: number, step: number, value: number): void {
    this.#start(step).append(encoder.mostBytes, (target, offset) =>
      encoder.encode(target, offset, wallTime, step, value),
    );
  }

  /** A value of a series other than a scalar's. */
  series(step: number, event: Buffer): void {
    append(this.#start(step), event);
  }

  description(event: Buffer): void {
    const file = this.#open();
    if (this.#isStarted || file.isFirst) append(file, event);
    else this.#waiting.push(event);
  }

  write(): void {
    this.#file?.write();
  }

  sync(): void {
    if (this.#file === null) return;
    this.#appendWaiting(this.#file);
    this.#file.sync();
  }

  close(): void {
    this.#file?.close();
    this.#file = null;
  }

  #start(step: number): RecordFile {
    const file = this.#open();
    if (this.#isStarted) return file;
    this.#isStarted = true;
    if (!file.isFirst) append(file, encodeSessionStart(step));
    this.#appendWaiting(file);
    return file;
  }

  #appendWaiting(file: RecordFile): void {
    for (const event of this.#waiting) append(file, event);
    this.#waiting = [];
  }

  #open(): RecordFile {
    if (this.#file === null) {
      this.#file = new RecordFile(this.#directory);
      append(this.#file, encodeFileVersion());
    }
    return this.#file;
  }
}

function append(file: RecordFile, event: Buffer): void {
  file.append(event.length, (target, offset) => {
    target.set(event, offset);
    return offset + event.length;
  });
}
