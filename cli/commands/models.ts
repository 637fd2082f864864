import { existsSync, statSync } from 'node:fs';
import { cp, mkdir, readdir } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { Decision, ModelVersion } from '../../pipelines/contracts/registry.js';
import { modelReference } from '../../workflows/model-reference.js';
import { type CommonOptions, openStore, printJson } from '../open.js';
import { renderTable } from '../render/table.js';

type ReasonOptions = CommonOptions & { readonly reason: string; readonly alias: string };

export async function list(options: CommonOptions): Promise<void> {
  await using services = await openStore(options);
  const models = await services.metadata.registry.models();
  if (options.json === true) printJson({ models });
  else if (models.length === 0) process.stdout.write('No models yet: a pipeline registers them.\n');
  else
    process.stdout.write(
      `${renderTable(
        ['model', 'versions', 'aliases'],
        models.map((model) => [
          model.model,
          String(model.versions),
          Object.entries(model.aliases)
            .map(([alias, version]) => `${alias} → ${version}`)
            .join(', '),
        ]),
      )}\n`,
    );
}

export async function show(model: string, options: CommonOptions): Promise<void> {
  await using services = await openStore(options);
  const versions = await services.metadata.registry.versions(model);
  // Nothing registered under this name: the look-up words the error, with the nearest name.
  if (versions.length === 0) await services.metadata.registry.version(model, '1');
  if (options.json === true) printJson({ model, versions });
  else
    process.stdout.write(
      `${renderTable(
        ['version', 'state', 'aliases', 'registered', 'bundle', 'code', 'runs'],
        versions.map((version) => [
          String(version.version),
          version.state,
          version.aliases.join(', '),
          version.createdAt,
          version.bundle.slice(0, 12),
          codeOf(version),
          String(version.runs.length),
        ]),
      )}\n`,
    );
}

/** The pipeline's code that first made a version: the digest of its bundle. */
function codeOf({ lineage }: ModelVersion): string {
  const { code } = lineage as { readonly code?: { readonly bundle?: string | null } };
  return code?.bundle?.slice(0, 12) ?? '–';
}

/** Points an alias at a version by hand: it needs a passing gate record; a revoked version is admitted again. */
export async function promote(model: string, selector: string, options: ReasonOptions): Promise<void> {
  await using services = await openStore(options);
  const { registry } = services.metadata;
  const version = await registry.version(model, selector);
  const holder = await registry.alias(model, options.alias);
  const move = { model, alias: options.alias, expected: holder?.version ?? null, version: version.version };
  await registry.moveAliases(
    null,
    [version.state === 'registered' ? move : { ...move, readmit: true as const }],
    byHand(options.reason),
  );
  const from = holder?.version ?? null;
  if (options.json !== true && from === version.version)
    process.stdout.write(`${model}: '${options.alias}' is version ${from} already; nothing changed.\n`);
  else done(options, { model, alias: options.alias, from, to: version.version });
}

/** Revokes a version: no run promotes it any more until a person promotes it again. */
export async function reject(
  model: string,
  selector: string,
  options: CommonOptions & { readonly reason: string },
): Promise<void> {
  await using services = await openStore(options);
  const version = await services.metadata.registry.version(model, selector);
  await services.metadata.registry.reject(model, version.version, byHand(options.reason));
  done(options, { model, rejected: version.version });
}

export async function rollback(model: string, options: ReasonOptions): Promise<void> {
  await using services = await openStore(options);
  const { from, to } = await services.metadata.registry.rollback(model, options.alias, byHand(options.reason));
  done(options, { model, alias: options.alias, from, to });
}

export async function history(
  model: string | undefined,
  options: CommonOptions & { readonly verify?: boolean },
): Promise<void> {
  await using services = await openStore(options);
  const entries = await services.metadata.registry.history(model ?? null);
  // Nothing ever happened under this name: the look-up words the error, with the nearest name.
  if (entries.length === 0 && model !== undefined) await services.metadata.registry.version(model, '1');
  const altered = options.verify === true ? await services.metadata.registry.verifyHistory() : null;
  if (options.json === true) printJson({ history: entries, ...(options.verify === true ? { altered } : {}) });
  else {
    const rows = entries.map((entry) => [
      String(entry.sequence),
      entry.at,
      entry.model,
      entry.kind,
      entry.version === null ? '' : String(entry.version),
      entry.alias ?? '',
      entry.decision.actor,
      entry.decision.reason,
    ]);
    process.stdout.write(`${renderTable(['#', 'when', 'model', 'what', 'version', 'alias', 'who', 'why'], rows)}\n`);
    if (options.verify === true)
      process.stdout.write(altered === null ? 'The chain of digests is whole.\n' : `Entry ${altered} was altered.\n`);
  }
  if (altered !== null) process.exitCode = 1;
}

/** Writes a version's bundle as a folder: model.onnx and signature.json. */
export async function exportBundle(reference: string, directory: string, options: CommonOptions): Promise<void> {
  await using services = await openStore(options);
  const { model, selector } = modelReference(reference);
  const version = await services.metadata.registry.version(model, selector);
  const artifact = await services.artifacts.open(version.bundle);
  const target = resolve(directory);
  const occupied = await occupantOf(target);
  if (occupied !== null) {
    throw new MillraceError('CONFIG_INVALID', {
      path: directory,
      expected: 'an empty or new directory',
      received: occupied,
      hint: 'Name another one.',
    });
  }
  await mkdir(target, { recursive: true });
  for (const file of artifact.manifest.files)
    await cp(`${artifact.directory}/${file.path}`, `${target}/${file.path}`, { mode: 0 });
  done(options, { model, version: version.version, directory: target });
}

/** What keeps a bundle from being written to a place; null: nothing. */
async function occupantOf(target: string): Promise<string | null> {
  if (!existsSync(target)) return null;
  if (!statSync(target).isDirectory()) return 'a file';
  return (await readdir(target)).length > 0 ? 'one with files in it' : null;
}

function byHand(reason: string): Decision {
  if (reason.trim() === '')
    throw new MillraceError('CONFIG_INVALID', {
      path: '--reason',
      expected: 'a text',
      received: 'an empty one',
      hint: 'Say why: it is kept in the history.',
    });
  return { actor: `user:${userInfo().username}`, reason, evidence: null };
}

function done(options: CommonOptions, result: Readonly<Record<string, unknown>>): void {
  if (options.json === true) printJson(result);
  else
    process.stdout.write(
      `${Object.entries(result)
        .map(([name, value]) => `${name} ${value === null ? 'none' : String(value)}`)
        .join(', ')}\n`,
    );
}
