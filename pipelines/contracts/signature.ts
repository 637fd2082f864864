import type { Column } from '../types/column-type.js';
import type { TensorSpec } from './infer.js';

/** What the model is asked for and answers: `signature.json` of an `onnx` artifact. */
export interface ModelSignature {
  readonly formatVersion: 1;
  readonly task: 'binary' | 'multiclass' | 'regression';
  /** The columns that a request names, in the model's order; each is one ONNX input of shape [batch] and of this name. */
  readonly inputs: readonly { readonly column: Column; readonly dtype: TensorSpec['dtype'] }[];
  readonly outputs: readonly TensorSpec[];
  /** The label columns; several for a regression with several targets. */
  readonly labels: readonly string[];
  /** Class names in the order of the model's output; for binary ['false', 'true'] or the two values. Empty for regression. */
  readonly classes: readonly string[];
  /** Binary: probabilities at or above it mean the second class. Chosen on the validation split (largest F1). Null otherwise. */
  readonly threshold: number | null;
}
