import { stat } from 'node:fs/promises';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { OperatorContext, OperatorStage } from '../../pipelines/contracts/operator.js';
import { sourceKey } from './compile-relation.js';
import { sourcesOf } from './describe-relation.js';
import type { SqlOptions } from './sql-options.js';

/** What a stage may read, and the state in which its source files were found. */
export interface Readable {
  readonly files: ReadonlyMap<string, readonly string[]>;
  readonly paths: readonly string[];
  readonly states: ReadonlyMap<string, string>;
}

/** Finds the files of a stage's sources as its key saw them. @throws SOURCE_NOT_FOUND, SOURCE_EMPTY, SOURCE_CHANGED */
export async function readableOf(context: OperatorContext, stage: OperatorStage<SqlOptions>): Promise<Readable> {
  const { relation } = stage.options;
  const files = new Map<string, readonly string[]>();
  const states = new Map<string, string>();
  for (const source of sourcesOf(relation)) {
    const hashed = await context.sources(source.source.path, context.stage);
    files.set(
      sourceKey(source),
      hashed.map((file) => file.path),
    );
    for (const { path, bytes } of hashed) {
      const state = await stateOf(path);
      if (state.bytes !== BigInt(bytes)) throw sourceChanged(path);
      states.set(path, state.text);
    }
  }
  const inputs = Object.values(stage.inputs).flatMap((input) =>
    Object.values(input.artifacts).map((artifact) => artifact.directory),
  );
  return { files, paths: [...[...files.values()].flat(), ...inputs], states };
}

/** The key holds the content that was hashed: rows of another content must not be kept under it. */
export async function checkUnchanged(readable: Readable): Promise<void> {
  for (const [path, before] of readable.states) {
    if ((await stateOf(path)).text !== before) throw sourceChanged(path);
  }
}

async function stateOf(path: string): Promise<{ readonly text: string; readonly bytes: bigint }> {
  const found = await stat(path, { bigint: true }).catch(() => null);
  return found === null
    ? { text: '', bytes: -1n }
    : { text: `${found.size} ${found.mtimeNs} ${found.ino}`, bytes: found.size };
}

function sourceChanged(path: string): MillraceError {
  return new MillraceError('SOURCE_CHANGED', {
    path,
    expected: 'a file that stays as it is while the run reads it',
    received: 'one that changed',
    hint: 'Run again once its writer is done.',
    retryable: true,
  });
}
