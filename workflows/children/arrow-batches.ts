import * as arrow from 'apache-arrow';
import type { SqlBatch, SqlCell } from '../../pipelines/contracts/sql.js';
import type { Column, ColumnType } from '../../pipelines/types/column-type.js';

/** The Arrow type of the type table. Decimals reach custom stages as text: JavaScript has no exact decimal. */
export function arrowTypeOf(type: ColumnType): arrow.DataType {
  switch (type.kind) {
    case 'bool':
      return new arrow.Bool();
    case 'int8':
      return new arrow.Int8();
    case 'int16':
      return new arrow.Int16();
    case 'int32':
      return new arrow.Int32();
    case 'int64':
      return new arrow.Int64();
    case 'uint8':
      return new arrow.Uint8();
    case 'uint16':
      return new arrow.Uint16();
    case 'uint32':
      return new arrow.Uint32();
    case 'uint64':
      return new arrow.Uint64();
    case 'float32':
      return new arrow.Float32();
    case 'float64':
      return new arrow.Float64();
    case 'decimal':
    case 'string':
      return new arrow.Utf8();
    case 'bytes':
      return new arrow.Binary();
    case 'date':
      return new arrow.DateDay();
    case 'timestamp':
      return new arrow.TimestampMicrosecond('UTC');
    case 'list':
      return new arrow.List(new arrow.Field('item', arrowTypeOf(type.item), type.item.nullable));
    case 'tensor':
      return new arrow.FixedSizeList(
        type.shape.reduce((size, dim) => size * dim, 1),
        new arrow.Field('item', new arrow.Float32(), false),
      );
    case 'struct':
      return new arrow.Struct(
        type.fields.map((field) => new arrow.Field(field.name, arrowTypeOf(field.type), field.type.nullable)),
      );
  }
}

export function arrowSchemaOf(columns: readonly Column[]): arrow.Schema {
  return new arrow.Schema(
    columns.map((column) => new arrow.Field(column.name, arrowTypeOf(column.type), column.type.nullable)),
  );
}

/** Rows of a result as one Arrow record batch. */
export function recordBatchOf(batch: SqlBatch, columns: readonly Column[], schema: arrow.Schema): arrow.RecordBatch {
  const children = columns.map((column, index) => {
    const type = arrowTypeOf(column.type);
    const builder = arrow.makeBuilder({ type, nullValues: [null] });
    for (const cell of batch.columns[index]!) builder.append(cellValue(cell, column.type));
    return builder.finish().flush();
  });
  return new arrow.RecordBatch(
    schema,
    arrow.makeData({ type: new arrow.Struct(schema.fields), length: batch.rows, nullCount: 0, children }),
  );
}

function cellValue(cell: SqlCell, type: ColumnType): unknown {
  if (cell === null) return null;
  // apache-arrow takes dates and timestamps in milliseconds; a timestamp keeps its µs in the fraction.
  if (type.kind === 'date') return new Date(`${cell as string}T00:00:00Z`);
  if (type.kind === 'timestamp') return Number(cell as bigint) / 1000;
  if (type.kind === 'list') return (cell as readonly SqlCell[]).map((item) => cellValue(item, type.item));
  if (type.kind === 'struct') {
    const fields = cell as Readonly<Record<string, SqlCell>>;
    return Object.fromEntries(type.fields.map((field) => [field.name, cellValue(fields[field.name]!, field.type)]));
  }
  return cell;
}
