import { attachNode, nodeOf } from './build-node.js';
import type { Model, Onnx, TaskKind } from './stage-values.js';

/**
 * Writes the model as ONNX (IR 10, opset 21) with its preprocessing inside, so that it takes raw columns,
 * and checks it against the native model on up to 10,000 validation rows.
 *
 * @throws GRAPH_NOT_EXPORTABLE - a layer without an ONNX form; EXPORT_PARITY - a difference above 1e-5.
 */
export function exportOnnx<T extends TaskKind, C, L extends string>(model: Model<T, C, L>): Onnx<T, C, L> {
  const node = nodeOf(model, ['fit'], 'exportOnnx.model');
  return attachNode(
    { stage: 'onnx' as const, task: model.task },
    { kind: 'exportOnnx', model: node },
  ) as unknown as Onnx<T, C, L>;
}
