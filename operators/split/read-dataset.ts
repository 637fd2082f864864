import { join } from 'node:path';
import type { Artifact, DatasetColumn, DatasetMeta } from '../../pipelines/contracts/artifacts.js';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { StageInput } from '../../pipelines/contracts/operator.js';
import { quoteLiteral } from '../../pipelines/contracts/sql.js';

/** Virtual columns of the Parquet reader that positions are made of. */
const positionColumns = ['file_row_number', 'file_index'];

/** A written dataset, ready to be read by SQL. */
export interface DatasetView {
  readonly directory: string;
  readonly rows: number;
  readonly columns: readonly DatasetColumn[];
  readonly key: readonly string[];
  /** A table expression over all partitions, in order. */
  readonly scan: string;
  /** SQL for the row's position in the dataset, from 0, BIGINT; valid directly over `scan`. */
  readonly position: string;
}

/**
 * Reads a `dataset` artifact's manifest.
 *
 * @throws ARTIFACT_CORRUPT - another kind of artifact.
 * @throws DATA_TYPE - a column that hides the reader's row numbers.
 */
export function readDataset(artifact: Artifact): DatasetView {
  const { kind, meta } = artifact.manifest;
  if (kind !== 'dataset') {
    throw new MillraceError('ARTIFACT_CORRUPT', {
      path: `artifact ${artifact.digest.slice(0, 12)}`,
      expected: 'an artifact of kind dataset',
      received: `kind ${kind}`,
    });
  }
  const { rows, columns, key, partitions } = meta as unknown as DatasetMeta;
  const hidden = columns.find((column) => positionColumns.includes(column.name.toLowerCase()));
  if (hidden !== undefined) {
    throw new MillraceError('DATA_TYPE', {
      path: `column ${hidden.name}`,
      expected: `a name other than ${positionColumns.join(' and ')}`,
      received: `'${hidden.name}'`,
      hint: 'Rename it in the SQL that makes the dataset.',
    });
  }
  const files = partitions.map((partition) => quoteLiteral(join(artifact.directory, partition.path)));
  let offset = 0;
  const offsets = partitions.map((partition) => {
    const start = offset;
    offset += partition.rows;
    return start;
  });
  return {
    directory: artifact.directory,
    rows,
    columns,
    key,
    scan: `read_parquet([${files.join(', ')}], file_row_number = true, hive_partitioning = false)`,
    position:
      partitions.length === 1
        ? 'file_row_number'
        : `(file_row_number + (CAST([${offsets.join(', ')}] AS BIGINT[]))[CAST(file_index AS BIGINT) + 1])`,
  };
}

/** The one artifact of `kind` that a stage's input offers. @throws INTERNAL */
export function artifactOfKind(
  inputs: Readonly<Record<string, StageInput>>,
  name: string,
  kind: Artifact['manifest']['kind'],
): Artifact {
  const found = Object.values(inputs[name]?.artifacts ?? {}).filter((artifact) => artifact.manifest.kind === kind);
  if (found.length === 1) return found[0]!;
  throw new MillraceError('INTERNAL', {
    path: `inputs.${name}`,
    expected: `one artifact of kind ${kind}`,
    received: String(found.length),
  });
}
