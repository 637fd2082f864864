/**
 * Metrics in the text format of Prometheus, version 0.0.4.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 */

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export type Labels = Readonly<Record<string, string | number>>;

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly lines: () => readonly string[];
}

/** One count that only grows. */
export class Counter {
  #value = 0;

  get value(): number {
    return this.#value;
  }

  add(amount = 1): void {
    this.#value += amount;
  }
}

/** How many observations were at most as large as each bound. */
export class Histogram {
  readonly #bounds: readonly number[];
  /** By bound, not yet summed up; the last one is beyond all bounds. */
  readonly #counts: number[];
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.#bounds.length && value > this.#bounds[bucket]!) bucket += 1;
    this.#counts[bucket]! += 1;
    this.#sum += value;
  }

  lines(name: string, labels: Labels): string[] {
    let count = 0;
    const buckets = this.#counts.map((more, index) => {
      count += more;
      return `${name}_bucket${labelText({ ...labels, le: String(this.#bounds[index] ?? '+Inf') })} ${count}`;
    });
    const text = labelText(labels);
    return [...buckets, `${name}_sum${text} ${this.#sum}`, `${name}_count${text} ${count}`];
  }
}

/** Series of one name, made when they are first asked for. */
export class Series<T> {
  readonly #make: () => T;
  readonly #byText = new Map<string, { readonly labels: Labels; readonly metric: T }>();

  constructor(make: () => T) {
    this.#make = make;
  }

  of(labels: Labels): T {
    const text = labelText(labels);
    let series = this.#byText.get(text);
    if (series === undefined) {
      series = { labels, metric: this.#make() };
      this.#byText.set(text, series);
    }
    return series.metric;
  }

  all(): Iterable<{ readonly labels: Labels; readonly metric: T }> {
    return this.#byText.values();
  }
}

/** All metrics of one server, in the order in which they were added. */
export class Exposition {
  readonly #families: Family[] = [];

  counters(name: string, help: string): Series<Counter> {
    const series = new Series(() => new Counter());
    const lines = (): string[] =>
      Array.from(series.all(), ({ labels, metric }) => `${name}${labelText(labels)} ${metric.value}`);
    this.#families.push({ name, help, type: 'counter', lines });
    return series;
  }

  histograms(name: string, help: string, bounds: readonly number[]): Series<Histogram> {
    const series = new Series(() => new Histogram(bounds));
    const lines = (): string[] => Array.from(series.all(), ({ labels, metric }) => metric.lines(name, labels)).flat();
    this.#families.push({ name, help, type: 'histogram', lines });
    return series;
  }

  /** Values that are looked up when somebody asks. */
  observed(
    type: 'counter' | 'gauge',
    name: string,
    help: string,
    read: () => Iterable<{ readonly labels: Labels; readonly value: number }>,
  ): void {
    const lines = (): string[] => Array.from(read(), ({ labels, value }) => `${name}${labelText(labels)} ${value}`);
    this.#families.push({ name, help, type, lines });
  }

  text(): string {
    const parts = this.#families.flatMap(({ name, help, type, lines }) => [
      `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`,
      `# TYPE ${name} ${type}`,
      ...lines(),
    ]);
    return `${parts.join('\n')}\n`;
  }
}

function labelText(labels: Labels): string {
  const parts = Object.entries(labels).map(([name, value]) => {
    const escaped = String(value).replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
    return `${name}="${escaped}"`;
  });
  return parts.length === 0 ? '' : `{${parts.join(',')}}`;
}
