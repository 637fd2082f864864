// The public entrance `millrace/types`: the types of columns.
export type { Column, ColumnType, Kind } from './types/column-type.js';
export { type JsOf, type RowOf, type Type, t } from './types/type.js';
