import { attachNode, nodeOf } from './build-node.js';
import { checkName } from './names.js';
import type { Onnx, Report, TaskKind, Version } from './stage-values.js';

/**
 * Registers an exported model under a name. Equal bytes are one version: registering them again adds run and report.
 *
 * @param options.model - 1 to 128 characters of letters, digits, '.', '_' and '-'.
 * @throws NAME_INVALID
 */
export function register<T extends TaskKind, C, M extends string>(
  onnx: Onnx<T, C>,
  options: { readonly model: string; readonly report: Report<T, M> },
): Version<M> {
  const node = nodeOf(onnx, ['exportOnnx'], 'register.onnx');
  const report = nodeOf(options?.report, ['evaluate'], 'register.report');
  const model = checkName(options.model, 'register.model');
  return attachNode({ stage: 'version' as const }, { kind: 'register', onnx: node, report, model }) as unknown as Version<M>;
}
