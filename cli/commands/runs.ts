import { createReadStream, existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import pc from 'picocolors';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { RunRecord } from '../../pipelines/contracts/metadata.js';
import type { Services } from '../../workflows/services.js';
import { describeReason } from '../../workflows/stages/key-reason.js';
import { isOnTemporal } from '../../workflows/temporal/protocol.js';
import { type CommonOptions, integerOption, openStore, printJson } from '../open.js';
import { errorText } from '../render/error-text.js';
import { renderRun, runObject } from '../render/run-summary.js';
import { renderTable } from '../render/table.js';

export async function list(
  options: CommonOptions & { readonly limit: string; readonly pipeline?: string },
): Promise<void> {
  await using services = await openStore(options);
  const limit = integerOption(options.limit, '--limit', 1, 100_000);
  const found = await services.metadata.runs({
    limit,
    ...(options.pipeline === undefined ? {} : { pipeline: options.pipeline }),
  });
  const statuses = await Promise.all(found.map((run) => shownStatus(services, run)));
  if (options.json === true) {
    printJson({
      runs: found.map(({ id, pipeline, createdAt, finishedAt, params }, index) => ({
        run: id,
        pipeline,
        status: statuses[index],
        createdAt,
        finishedAt,
        params,
      })),
    });
    return;
  }
  if (found.length === 0) {
    process.stdout.write(
      options.pipeline === undefined
        ? 'No runs yet. Start one with: millrace run FILE\n'
        : `No runs of a pipeline '${options.pipeline}'. All runs: millrace runs list\n`,
    );
    return;
  }
  process.stdout.write(
    `${renderTable(
      ['run', 'pipeline', 'status', 'started', 'params'],
      found.map((run, index) => [run.id, run.pipeline, statuses[index]!, run.createdAt, JSON.stringify(run.params)]),
    )}\n`,
  );
}

/** 'interrupted' for a run whose process was killed: `runs resume` goes on with it. */
async function shownStatus(services: Services, run: RunRecord): Promise<string> {
  if (run.status !== 'running' || isOnTemporal(run)) return run.status;
  return (await services.metadata.leaseHolder(`run/${run.id}`)) === null ? 'interrupted' : run.status;
}

export async function show(id: string, options: CommonOptions & { readonly why?: boolean }): Promise<void> {
  await using services = await openStore(options);
  const run = await services.metadata.run(id);
  const stages = await services.metadata.stages(run.id);
  const result = { run: run.id, status: run.status, stages, metrics: await services.metadata.metrics(run.id) };
  const status = await shownStatus(services, run);
  if (options.json === true) {
    const why = Object.fromEntries(
      stages
        .filter((stage) => stage.reason !== null)
        .map((stage) => [stage.stage, { ...stage.reason, keyParts: stage.keyParts }]),
    );
    printJson({
      ...(await runObject(services, result)),
      status,
      pipeline: run.pipeline,
      params: run.params,
      createdAt: run.createdAt,
      finishedAt: run.finishedAt,
      ...(options.why === true ? { why } : {}),
    });
    return;
  }
  process.stdout.write(
    `${pc.bold(run.pipeline)} ${run.id}  ${status}  ${run.createdAt}\n${await renderRun(services, result)}\n`,
  );
  if (run.error !== null) process.stdout.write(`${pc.red(errorText(run.error))}\n`);
  if (options.why === true) {
    for (const stage of stages)
      process.stdout.write(`${stage.stage}  ${stage.reason === null ? stage.status : describeReason(stage.reason)}\n`);
  }
}

export async function logs(id: string, options: CommonOptions & { readonly follow?: boolean }): Promise<void> {
  await using services = await openStore(options);
  const run = await services.metadata.run(id);
  const file = join(services.directory, 'records', run.id, 'run.log');
  if (!existsSync(file) && options.follow !== true) {
    throw new MillraceError('RUN_NOT_FOUND', {
      path: file,
      expected: 'the log of the run',
      received: 'no such file',
      hint: 'Runs started by a program keep no log.',
    });
  }
  let offset = 0;
  for (;;) {
    // Asked before reading, so that what the run wrote last is read too.
    const hasEnded =
      (await services.metadata.run(run.id)).status !== 'running' ||
      (await services.metadata.leaseHolder(`run/${run.id}`)) === null;
    const size = existsSync(file) ? (await stat(file)).size : 0;
    if (size > offset) {
      for await (const line of createInterface({ input: createReadStream(file, { start: offset, end: size - 1 }) }))
        writeLogLine(line, options.json === true);
      offset = size;
    }
    if (options.follow !== true || hasEnded) return;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** With --json a line that a kill cut short is left out: what is read by programs is whole. */
function writeLogLine(line: string, json: boolean): void {
  const parsed = parsedLine(line);
  if (!json) process.stdout.write(`${parsed === null ? line : readable(parsed)}\n`);
  else if (parsed !== null) process.stdout.write(`${line}\n`);
}

function readable(parsed: LogLine): string {
  const { at, kind, stage, ...rest } = parsed;
  const text =
    kind === 'run'
      ? `run ${String(rest['run'])} of ${String(rest['pipeline'])}`
      : kind === 'stageProgress'
        ? (rest['progress'] as { message: string }).message
        : kind === 'stageFinished'
          ? `${String(rest['status'])} after ${Number(rest['durationMs']).toFixed(0)} ms${rest['error'] ? `: ${String(rest['error'])}` : ''}`
          : String(rest['message'] ?? kind);
  return `${at}  ${(stage ?? '').padEnd(20)}  ${text}`;
}

type LogLine = { readonly at: string; readonly kind: string; readonly stage?: string } & Record<string, unknown>;

/** null for a line that a kill cut short: people see it as it is. */
function parsedLine(line: string): LogLine | null {
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return null;
  }
}

export async function cancel(id: string, options: CommonOptions): Promise<void> {
  await using services = await openStore(options);
  const run = await services.metadata.run(id);
  if (isOnTemporal(run)) {
    await (await import('./temporal-run.js')).cancelSubmitted(services, run.id);
    process.stderr.write(`Asked the workers to cancel ${run.id}.\n`);
    if (options.json === true) printJson({ run: run.id, asked: true });
    return;
  }
  const holder = await services.metadata.leaseHolder(`run/${run.id}`);
  if (holder === null) {
    throw new MillraceError('RUN_FINISHED', {
      path: run.id,
      expected: 'a run that a process drives',
      received: `a run that is ${run.status === 'running' ? 'no longer driven' : run.status}`,
      hint:
        run.status === 'running'
          ? `Go on with millrace runs resume ${run.id}, or leave it.`
          : 'There is nothing to cancel.',
    });
  }
  await services.metadata.putMemo('cancel', run.id, true);
  process.stderr.write(`Asked process ${holder.pid} to cancel ${run.id}.\n`);
  if (options.json === true) printJson({ run: run.id, asked: true });
}
