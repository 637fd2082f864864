import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../native/ts/package-root.js';
import { MillraceError } from '../pipelines/contracts/errors.js';

let table: Readonly<Record<string, string>> | null = null;

/** Digest of an operator's code with the connectors it works through, from the table that the build wrote. */
export function operatorDigest(operator: string): string {
  table ??= readTable();
  const digest = table[operator];
  if (digest === undefined) {
    throw new MillraceError('INTERNAL', {
      path: 'dist/operator-digests.json',
      expected: `a digest of the operator '${operator}'`,
      received: 'none',
      hint: 'Run npm run build.',
    });
  }
  return digest;
}

function readTable(): Readonly<Record<string, string>> {
  const file = join(packageRoot(), 'dist', 'operator-digests.json');
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
  } catch (cause) {
    throw new MillraceError('INTERNAL', {
      path: file,
      expected: 'the table of operator digests',
      received: 'no such file',
      hint: 'Run npm run build.',
      cause,
    });
  }
}
