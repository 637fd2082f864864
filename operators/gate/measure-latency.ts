import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { Artifact } from '../../pipelines/contracts/artifacts.js';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { TensorValue } from '../../pipelines/contracts/infer.js';
import type { OperatorContext } from '../../pipelines/contracts/operator.js';
import { quoteIdentifier, type SqlCell } from '../../pipelines/contracts/sql.js';
import type { SplitSpec } from '../../pipelines/plan/relation.js';
import { tensorsFromColumns } from '../../pipelines/signature/tensors.js';
import { quantile } from '../evaluate/metrics/residuals.js';
import { openTestSession, readSignature, testRowsSql } from '../evaluate/scored-rows.js';
import type { DatasetView } from '../split/read-dataset.js';

const WARM_UP = 20;
const CALLS = 1000;
const BUDGET_MS = 3000;

/**
 * Times calls of the exported model on one thread, with rows of the test split as inputs: after 20 calls to warm up,
 * 1,000 calls or as many as fit in 3 s.
 *
 * @returns the asked percentiles, ms.
 */
export async function measureLatency(
  context: OperatorContext,
  request: {
    readonly bundle: Artifact;
    readonly dataset: DatasetView;
    readonly split: SplitSpec;
    readonly batch: number;
    readonly percentiles: readonly number[];
  },
): Promise<readonly number[]> {
  const inputs = await readInputs(context, request);
  await using model = await context.infer.load(join(request.bundle.directory, 'model.onnx'));
  for (let call = 0; call < WARM_UP; call++) await model.run(inputs);
  const times: number[] = [];
  const end = performance.now() + BUDGET_MS;
  while (times.length < CALLS && (times.length < WARM_UP || performance.now() < end)) {
    const start = performance.now();
    await model.run(inputs);
    times.push(performance.now() - start);
    if (times.length % 50 !== 0) continue;
    await setImmediate();
    if (context.signal.aborted) {
      throw new MillraceError('CANCELLED', {
        path: `${context.stage}.latency`,
        expected: 'to run to its end',
        received: 'a cancellation',
        retryable: true,
      });
    }
  }
  const sorted = Float64Array.from(times).sort();
  return request.percentiles.map((p) => quantile(sorted, p / 100));
}

/** The first rows of the test split, over and over where it has fewer than the batch. */
async function readInputs(
  context: OperatorContext,
  request: {
    readonly bundle: Artifact;
    readonly dataset: DatasetView;
    readonly split: SplitSpec;
    readonly batch: number;
  },
): Promise<Record<string, TensorValue>> {
  const { dataset, split, batch } = request;
  const signature = await readSignature(request.bundle);
  const names = signature.inputs.map((input) => input.column.name);
  await using sql = await openTestSession(context, [dataset.directory]);
  const { rows } = await sql.query(
    `SELECT ${names.map(quoteIdentifier).join(', ')} FROM ${testRowsSql(dataset, split)} ORDER BY __position LIMIT ${batch}`,
  );
  if (rows.length === 0) {
    throw new MillraceError('SPLIT_EMPTY', {
      path: `${context.stage}.split`,
      expected: 'at least one row in the test split',
      received: `none of ${dataset.rows} rows`,
    });
  }
  const column = (name: string): SqlCell[] =>
    Array.from({ length: batch }, (_, i) => rows[i % rows.length]![name] ?? null);
  return tensorsFromColumns(signature, Object.fromEntries(names.map((name) => [name, column(name)])), batch);
}
