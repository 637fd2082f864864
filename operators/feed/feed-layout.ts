import type { FeedTensor } from '../../native/ts/feed.js';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { EncodedColumn } from '../../pipelines/encode/encode-to-sql.js';

/** Where encoded columns lie in the feed: tensors in the order of the file, each with its columns. */
export interface FeedLayout {
  readonly tensors: readonly { readonly tensor: FeedTensor; readonly columns: readonly EncodedColumn[] }[];
  readonly floats: readonly string[];
  readonly indices: readonly string[];
  readonly hasWeight: boolean;
  /** Label columns; 0 where there is no label. */
  readonly targets: number;
}

/**
 * @param features - the encoded feed columns of the graph, in its order.
 * @param labels - those of the label graph: `label` or `label.0`, …, and `weight` where used; empty for rows without a label.
 * @param isRegression - targets keep an axis of their own, even a single one: [rows, targets].
 */
export function feedLayout(
  features: readonly EncodedColumn[],
  labels: readonly EncodedColumn[],
  isRegression: boolean,
): FeedLayout {
  const floats = features.filter((column) => column.dtype === 'float32');
  const indices = features.filter((column) => column.dtype === 'int64');
  const targets = labels.filter((column) => column.name === 'label' || /^label\.\d+$/.test(column.name));
  const weights = labels.filter((column) => column.name === 'weight');
  if (targets.length + weights.length !== labels.length || weights.length > 1) {
    throw new MillraceError('INTERNAL', {
      path: 'feed.label',
      expected: 'columns named label, label.0, … and weight',
      received: labels.map((column) => column.name).join(', '),
    });
  }
  const tensors: { readonly tensor: FeedTensor; readonly columns: readonly EncodedColumn[] }[] = [];
  const add = (name: FeedTensor['name'], columns: readonly EncodedColumn[], isFlat: boolean) => {
    if (columns.length === 0) return;
    const dtype = columns[0]!.dtype === 'int64' ? 'I32' : 'F32';
    tensors.push({ tensor: { name, dtype, width: columns.length, isFlat }, columns });
  };
  add('float', floats, false);
  add('index', indices, false);
  add('label', targets, !isRegression);
  add('weight', weights, true);
  return {
    tensors,
    floats: floats.map((column) => column.name),
    indices: indices.map((column) => column.name),
    hasWeight: weights.length > 0,
    targets: targets.length,
  };
}
