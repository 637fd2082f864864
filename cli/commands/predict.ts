import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import { loadModel } from '../../workflows/run.js';
import { storeDirectory } from '../../workflows/store-directory.js';
import { type CommonOptions, printJson } from '../open.js';

/** Scores rows of a JSON file (or stdin) in this process, through the code that the server uses. */
export async function predict(reference: string, file: string, options: CommonOptions): Promise<void> {
  const rows = parseRows(file === '-' ? await text(process.stdin) : await readRows(file), file);
  await using model = await loadModel(reference, { store: storeDirectory(options.store) });
  printJson({ model: model.model, version: model.version, predictions: await model.predict(rows) });
}

async function readRows(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new MillraceError('SOURCE_NOT_FOUND', {
      path: file,
      expected: 'a JSON file with an array of rows',
      received: (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file' : 'what cannot be read as a file',
      hint: "Name one, or '-' for stdin.",
      cause,
    });
  }
}

function parseRows(content: string, file: string): readonly Record<string, unknown>[] {
  try {
    const value: unknown = JSON.parse(content);
    return (Array.isArray(value) ? value : [value]) as Record<string, unknown>[];
  } catch (cause) {
    throw new MillraceError('REQUEST_INVALID', {
      path: file === '-' ? 'stdin' : file,
      expected: 'a JSON array of rows',
      received: `text that is no JSON (${(cause as Error).message})`,
      hint: 'Write [{ "feature": value, … }, …].',
      cause,
    });
  }
}
