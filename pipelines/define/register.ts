import { z } from 'zod';
import { MillraceError } from '../contracts/errors.js';
import { attachNode, nodeOf } from './build-node.js';
import { checkName } from './names.js';
import { parseOptions } from './parse-options.js';
import type { Onnx, Report, TaskKind, Version } from './stage-values.js';

const schema = z.strictObject({ model: z.unknown(), report: z.unknown() });

/**
 * Registers an exported model under a name. Equal bytes are one version: registering them again adds run and report.
 *
 * @param options.model - 1 to 128 characters of letters, digits, '.', '_' and '-'.
 * @param options.report - what `evaluate` measured of this very model.
 * @throws NAME_INVALID, PIPELINE_INVALID
 */
export function register<T extends TaskKind, C, L extends string, M extends string>(
  onnx: Onnx<T, C, L>,
  options: { readonly model: string; readonly report: Report<NoInfer<T>, M> },
): Version<M, Onnx<T, C, L>> {
  const node = nodeOf(onnx, ['exportOnnx'], 'register.onnx');
  parseOptions(schema, { ...options, report: null }, 'register');
  const report = nodeOf(options?.report, ['evaluate'], 'register.report');
  const model = checkName(options.model, 'register.model');
  if (report.onnx !== node) {
    throw new MillraceError('PIPELINE_INVALID', {
      path: 'register.report',
      expected: 'a report of the model that is registered',
      received: 'a report of another one',
      hint: 'Pass the same exportOnnx() to evaluate and register.',
    });
  }
  return attachNode(
    { stage: 'version' as const },
    { kind: 'register', onnx: node, report, model },
  ) as unknown as Version<M, Onnx<T, C, L>>;
}
