import { join } from 'node:path';
import type { Artifact, DatasetMeta } from '../../pipelines/contracts/artifacts.js';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import { quoteIdentifier, quoteLiteral } from '../../pipelines/contracts/sql.js';
import type { Column, ColumnType } from '../../pipelines/types/column-type.js';
import { duckdbType } from '../../pipelines/types/type-table.js';
import type { InputTable } from './compile-relation.js';

/** A written dataset as a SELECT with the columns of its manifest. */
export function datasetTable(artifact: Artifact): InputTable {
  const meta = datasetMeta(artifact);
  const files = meta.partitions.map((partition) => quoteLiteral(join(artifact.directory, partition.path)));
  return {
    sql: `SELECT ${meta.columns.map(readColumn).join(', ')} FROM read_parquet([${files.join(', ')}], hive_partitioning = false)`,
    columns: meta.columns.map(({ name, type }) => ({ name, type })),
  };
}

export function datasetMeta(artifact: Artifact): DatasetMeta {
  if (artifact.manifest.kind !== 'dataset') {
    throw new MillraceError('ARTIFACT_CORRUPT', {
      path: `artifact ${artifact.digest.slice(0, 12)}`,
      expected: 'an artifact of kind dataset',
      received: `kind ${artifact.manifest.kind}`,
    });
  }
  return artifact.manifest.meta as unknown as DatasetMeta;
}

/** Parquet has no arrays of fixed size: tensors come back as lists. */
function readColumn(column: Column): string {
  const field = quoteIdentifier(column.name);
  return holdsTensor(column.type) ? `CAST(${field} AS ${duckdbType(column.type)}) AS ${field}` : field;
}

function holdsTensor(type: ColumnType): boolean {
  if (type.kind === 'tensor') return true;
  if (type.kind === 'list') return holdsTensor(type.item);
  return type.kind === 'struct' && type.fields.some((field) => holdsTensor(field.type));
}
