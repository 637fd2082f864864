/** The kinds of the one type table (see `type-table.ts` for what each is in DuckDB, Arrow, the feed, ONNX and JSON). */
export type IntegerKind = 'int8' | 'int16' | 'int32' | 'int64' | 'uint8' | 'uint16' | 'uint32' | 'uint64';
export type FloatKind = 'float32' | 'float64';
export type NumberKind = IntegerKind | FloatKind;
export type ScalarKind = 'bool' | NumberKind | 'decimal' | 'string' | 'bytes' | 'date' | 'timestamp';
export type Kind = ScalarKind | 'list' | 'tensor' | 'struct';

/** A column's type as data: what plans, manifests and signatures hold. */
export type ColumnType =
  | { readonly kind: Exclude<ScalarKind, 'decimal'>; readonly nullable: boolean }
  | { readonly kind: 'decimal'; readonly nullable: boolean; readonly precision: number; readonly scale: number }
  | { readonly kind: 'list'; readonly nullable: boolean; readonly item: ColumnType }
  | { readonly kind: 'tensor'; readonly nullable: boolean; readonly shape: readonly number[] }
  | { readonly kind: 'struct'; readonly nullable: boolean; readonly fields: readonly Column[] };

/** A named, typed column. */
export interface Column {
  readonly name: string;
  readonly type: ColumnType;
}
