/** How long a step is quiet, ms. */
const quietMs = 2000;

/** Tells on stderr what is being done once it has taken two seconds: what is fast says nothing. */
export class SlowStep implements Disposable {
  #timer: NodeJS.Timeout | null = null;

  constructor(private readonly stream: Pick<NodeJS.WriteStream, 'write'> = process.stderr) {}

  begin(text: string): void {
    this.end();
    this.#timer = setTimeout(() => this.stream.write(`  … ${text}\n`), quietMs);
  }

  end(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  [Symbol.dispose](): void {
    this.end();
  }
}
