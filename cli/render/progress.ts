import logUpdate from 'log-update';
import pc from 'picocolors';
import type { StageRecord } from '../../pipelines/contracts/metadata.js';
import type { RunEvent } from '../../workflows/stages/stage-options.js';
import { errorText } from './error-text.js';

const marks: Readonly<Record<string, string>> = {
  succeeded: pc.green('✓'),
  cached: pc.cyan('•'),
  fused: pc.dim('·'),
  unchanged: pc.cyan('='),
  blocked: pc.yellow('■'),
  failed: pc.red('✗'),
  cancelled: pc.yellow('✗'),
  skipped: pc.dim('–'),
};

/** Shows a run on stderr: live lines in a terminal, else one plain line an event. */
export class RunProgress {
  readonly #isLive: boolean;
  readonly #active = new Map<string, string>();
  readonly #lastPlain = new Map<string, number>();
  /** What stands before the stages of a nested run: the stage that spawned it, and its number there. */
  readonly #prefixes = new Map<string, string>();
  #width = 10;

  constructor(private readonly stream: NodeJS.WriteStream = process.stderr) {
    this.#isLive = stream.isTTY === true && process.env['TERM'] !== 'dumb' && process.env['CI'] === undefined;
  }

  onEvent(event: RunEvent): void {
    switch (event.kind) {
      case 'run':
        if (event.parent === null) {
          this.#width = Math.min(32, Math.max(...event.stages.map((stage) => stage.id.length)));
          this.#line(`${pc.bold(event.pipeline)} ${pc.dim(`run ${event.run}`)}`);
        } else {
          const spawner = `${this.#label(event.parent.run, event.parent.stage)}[${event.parent.index}]`;
          this.#prefixes.set(event.run, `${spawner}/`);
          this.#line(`    ${spawner.padEnd(this.#width)}  ${pc.dim(`run ${event.run} of ${event.pipeline}`)}`);
        }
        return;
      case 'stageStarted': {
        const label = this.#label(event.run, event.stage);
        this.#active.set(label, event.operator);
        if (!this.#isLive) this.#lastPlain.set(label, Date.now());
        this.#draw();
        return;
      }
      case 'stageProgress': {
        const label = this.#label(event.run, event.stage);
        const { fraction, message, etaMs } = event.progress;
        const parts = [
          fraction === null ? '' : `${String(Math.floor(fraction * 100)).padStart(3)}%`,
          message,
          etaMs === undefined || etaMs === null ? '' : `${formatDuration(etaMs)} left`,
        ];
        const text = parts.filter((part) => part !== '').join(' · ');
        this.#active.set(label, text);
        if (this.#isLive) this.#draw();
        else if (Date.now() - (this.#lastPlain.get(label) ?? 0) >= 2000) {
          this.#lastPlain.set(label, Date.now());
          this.#line(`  … ${label.padEnd(this.#width)}  ${text}`);
        }
        return;
      }
      case 'stageLog':
        this.#line(`    ${this.#label(event.run, event.stage).padEnd(this.#width)}  ${pc.dim(event.message)}`);
        return;
      case 'stageRetry':
        this.#line(
          `  ${pc.yellow('↻')} ${this.#label(event.run, event.stage).padEnd(this.#width)}  ${event.message} Tries again in ${event.delayMs} ms.`,
        );
        return;
      case 'stageFinished': {
        const label = this.#label(event.run, event.record.stage);
        this.#active.delete(label);
        this.#line(stageLine(event.record, label.padEnd(this.#width)));
        return;
      }
    }
  }

  close(): void {
    this.#active.clear();
    if (this.#isLive) logUpdate.clear();
  }

  #label(run: string, stage: string): string {
    return `${this.#prefixes.get(run) ?? ''}${stage}`;
  }

  #line(text: string): void {
    if (this.#isLive) logUpdate.clear();
    this.stream.write(`${text}\n`);
    this.#draw();
  }

  #draw(): void {
    if (!this.#isLive || this.#active.size === 0) return;
    logUpdate(
      [...this.#active]
        .map(([stage, text]) => `  ${pc.cyan('◌')} ${stage.padEnd(this.#width)}  ${pc.dim(text)}`)
        .join('\n'),
    );
  }
}

function stageLine(record: StageRecord, label: string): string {
  const time = record.status === 'succeeded' || record.status === 'failed' ? formatDuration(record.durationMs) : '';
  const error = record.error === null ? '' : `\n${pc.red(errorText(record.error).replace(/^/gm, '    '))}`;
  return `  ${marks[record.status] ?? ' '} ${label}  ${record.status.padEnd(9)} ${pc.dim(time)}${error}`;
}

/** 340 ms, 2.4 s, 3 min 12 s. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}
