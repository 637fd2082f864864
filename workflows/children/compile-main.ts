// The compiler child: evaluates a pipeline's bundle, compiles its plan, answers with it and ends.
import * as zod from 'zod';
import { MillraceError, serializeError } from '../../pipelines/contracts/errors.js';
import { paramsFromText } from '../../pipelines/define/params.js';
import type { Pipeline } from '../../pipelines/define/pipeline.js';
import * as millrace from '../../pipelines/index.js';
import * as nn from '../../pipelines/nn.js';
import { type CustomExport, compilePlan } from '../../pipelines/plan/compile.js';
import * as types from '../../pipelines/types.js';
import type { CompileRequest, CompileResponse } from './compile-client.js';
import { endWithParent } from './end-with-parent.js';
import { loadBundle } from './load-bundle.js';

endWithParent();
// The terminal's Ctrl-C goes to the whole group; the parent decides.
process.on('SIGINT', () => {});
process.once('disconnect', () => process.exit(0));
process.once('message', (request: CompileRequest) => {
  void compile(request).then((response) => {
    process.send!(response, () => process.disconnect());
  });
});

async function compile({ code, file, externals, root, params, times }: CompileRequest): Promise<CompileResponse> {
  try {
    const exports = new Map<unknown, CustomExport>();
    const record = (module: string, namespace: Record<string, unknown>): void => {
      for (const [name, value] of Object.entries(namespace)) {
        if (typeof value === 'function' && !exports.has(value)) exports.set(value, { module, name });
      }
    };
    (globalThis as Record<symbol, unknown>)[Symbol.for('millrace.exports')] = record;
    const own: Record<string, unknown> = { millrace, 'millrace/nn': nn, 'millrace/types': types, zod };
    // The file of a custom stage imports it; other pipelines need not wait for it.
    if (externals.includes('apache-arrow')) own['apache-arrow'] = await import('apache-arrow');
    const loaded = await loadBundle(code, file, externals, root, own);
    const pipeline = pipelineOf(loaded, file);
    const values = params.kind === 'texts' ? paramsFromText(pipeline.params, params.values) : params.values;
    const plans = Array.from({ length: times }, () => compilePlan(pipeline, values, (run) => exports.get(run) ?? null));
    return { kind: 'plans', plans };
  } catch (error) {
    const wrapped =
      error instanceof Error && 'expected' in error && 'code' in error ? error : thrown(error, file, code);
    return { kind: 'error', error: serializeError(wrapped) };
  }
}

function pipelineOf(loaded: Record<string, unknown>, file: string): Pipeline {
  const value = loaded['default'];
  if (typeof value !== 'object' || value === null || (value as { kind?: unknown }).kind !== 'pipeline') {
    throw new MillraceError('PIPELINE_INVALID', {
      path: file,
      expected: 'a default export that definePipeline returned',
      received: value === undefined ? 'no default export' : `a default export of type ${typeof value}`,
      hint: 'Write export default definePipeline({ … }).',
    });
  }
  return value as Pipeline;
}

function thrown(error: unknown, file: string, code: string): MillraceError {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new MillraceError('PIPELINE_THROWS', {
    path: file,
    expected: 'a pipeline file that evaluates',
    received: `an error it threw${placeOf(error, file, code)} (${text})`,
    hint: 'Mend it and run again.',
    cause: error,
    details: { stack: error instanceof Error ? error.stack : null },
  });
}

/** The user's file and statement that the first frame in the bundle stands for: a bundle's own line numbers tell nobody anything. */
function placeOf(error: unknown, file: string, code: string): string {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const frame = stack.split('\n').find((line) => line.includes(`${file}:`));
  const at = frame === undefined ? null : /:(\d+):\d+\)?$/.exec(frame);
  if (at === null) return '';
  const lines = code.split('\n').slice(0, Number(at[1]));
  const statement = (lines.at(-1) ?? '').trim();
  // esbuild heads each module with its path.
  const module = lines.findLast((line) => /^\s*\/\/ \S+\.[cm]?[jt]sx?$/.test(line));
  return `${module === undefined ? '' : ` in ${module.trim().slice(3)}`} at \`${statement.slice(0, 120)}\``;
}
