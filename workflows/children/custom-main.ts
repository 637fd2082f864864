// The child of a custom stage: opens the inputs in its own DuckDB, calls the user's function, writes what it returns as Arrow.
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline as pipe } from 'node:stream/promises';
import * as arrow from 'apache-arrow';
import * as zod from 'zod';
import { openSqlEngine } from '../../connectors/duckdb/sql-engine.js';
import { isMillraceError, MillraceError, serializeError } from '../../pipelines/contracts/errors.js';
import type { SqlSession } from '../../pipelines/contracts/sql.js';
import type { CustomFunction } from '../../pipelines/define/custom.js';
import * as millrace from '../../pipelines/index.js';
import * as nn from '../../pipelines/nn.js';
import type { Column } from '../../pipelines/types/column-type.js';
import * as types from '../../pipelines/types.js';
import { arrowSchemaOf, recordBatchOf } from './arrow-batches.js';
import type { CustomRequest, CustomResponse } from './custom-runner.js';
import { endWithParent } from './end-with-parent.js';
import { loadBundle } from './load-bundle.js';
import { type Returned, returnedBatches } from './returned-batches.js';

endWithParent();
// The terminal's Ctrl-C goes to the whole group; the parent decides.
process.on('SIGINT', () => {});
process.once('disconnect', () => process.exit(1));
process.once('message', (request: CustomRequest) => {
  void answer(request).then((response) => {
    process.removeAllListeners('disconnect');
    process.send!(response, () => process.disconnect());
  });
});

async function answer(request: CustomRequest): Promise<CustomResponse> {
  try {
    return await runCustom(request);
  } catch (error) {
    return { kind: 'error', error: serializeError(isMillraceError(error) ? error : thrown(error, request.path)) };
  }
}

async function runCustom(request: CustomRequest): Promise<CustomResponse> {
  const own = { millrace, 'millrace/nn': nn, 'millrace/types': types, zod, 'apache-arrow': arrow };
  const loaded = await loadBundle(request.code, request.file, request.externals, request.root, own);
  const run = loaded['run'] as CustomFunction;
  const engine = openSqlEngine({
    threads: request.threads,
    memoryLimitMb: request.memoryLimitMb,
    temporaryDirectory: request.output,
  });
  await using session = await engine.open({
    readable: Object.values(request.inputs).map((input) => input.directory),
    writable: [],
  });
  const inputs = Object.fromEntries(
    Object.entries(request.inputs).map(([name, input]) => [name, batchesOf(session, input.files, input.columns)]),
  );
  const file = join(request.output, 'returned.arrow');
  const returned: Returned = { rows: 0, problem: null };
  const call = (): ReturnType<CustomFunction> => run({ inputs, options: request.options });
  await pipe(
    Readable.from(returnedBatches(call, request.columns, request.path, returned)),
    arrow.RecordBatchStreamWriter.throughNode({ writableObjectMode: true, autoDestroy: true }),
    createWriteStream(file),
  );
  if (returned.problem !== null) throw returned.problem;
  return { kind: 'done', rows: returned.rows, file };
}

async function* batchesOf(
  session: SqlSession,
  files: readonly string[],
  columns: readonly Column[],
): AsyncGenerator<arrow.RecordBatch> {
  const schema = arrowSchemaOf(columns);
  const list = files.map((file) => `'${file.replaceAll("'", "''")}'`).join(', ');
  // In the order of the file: datasets are written in the order of their key.
  for await (const batch of session.batches(
    `SELECT * EXCLUDE (file_row_number) FROM read_parquet([${list}], file_row_number = true, hive_partitioning = false)`,
  ))
    yield recordBatchOf(batch, columns, schema);
}

function thrown(error: unknown, path: string): MillraceError {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new MillraceError('CUSTOM_THROWS', {
    path,
    expected: 'a function that returns',
    received: `an error it threw (${text})`,
    hint: 'Its stack is in the details.',
    cause: error,
    details: { stack: error instanceof Error ? error.stack : null },
  });
}
