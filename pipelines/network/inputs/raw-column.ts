import type { Column, ColumnType } from '../../types/column-type.js';
import { BATCH, type Dim, type DType, type SlotSpec, type Statistic, sizeOf } from '../graph.js';
import type { Tracer, Value } from '../tracer.js';

/**
 * How a raw column enters a model: string as string, ints as int64, floats as they are, bool as bool;
 * nullable ints and bools as float64, where NaN is missing. '' is a missing string. Null: no input takes the kind.
 */
export function rawDtype(type: ColumnType): DType | null {
  switch (type.kind) {
    case 'string':
    case 'float32':
    case 'float64':
      return type.kind;
    case 'bool':
      return type.nullable ? 'float64' : 'bool';
    case 'int8':
    case 'int16':
    case 'int32':
    case 'int64':
    case 'uint8':
    case 'uint16':
    case 'uint32':
    case 'uint64':
      return type.nullable ? 'float64' : 'int64';
    default:
      return null;
  }
}

/** A raw column under encoding: its value, its mask of missing rows and its statistics. */
export class RawColumn {
  readonly tracer: Tracer;
  readonly column: Column;
  /** [batch], of {@link rawDtype}. */
  readonly x: Value;
  #missing: Value | null | undefined;

  constructor(tracer: Tracer, column: Column) {
    this.tracer = tracer;
    this.column = column;
    this.x = tracer.input(column.name, rawDtype(column.type) ?? 'float64', [BATCH]);
  }

  /** bool [batch], or null where no row can be missing. */
  get missing(): Value | null {
    const canMiss = this.column.type.nullable || this.x.dtype === 'string';
    this.#missing ??= canMiss ? this.tracer.apply('isMissing', [this.x]) : null;
    return this.#missing;
  }

  /** The column as float64; missing rows are NaN. */
  float64(): Value {
    return this.cast(this.x, 'float64');
  }

  cast(value: Value, to: DType): Value {
    return value.dtype === to ? value : this.tracer.apply('cast', [value], { to });
  }

  /** `replacement` where the row is missing, else `value`. */
  fill(value: Value, replacement: Value): Value {
    return this.missing === null ? value : this.tracer.apply('where', [this.missing, replacement, value]);
  }

  /** A statistic of this column as a float64 scalar, named `<column>.<name>`. */
  statistic(name: string, statistic: Statistic): Value {
    return this.tracer.slot({
      name: this.slotName(name),
      column: this.column.name,
      statistic,
      dtype: 'float64',
      shape: [],
      size: null,
    });
  }

  /** A statistic of this column as a list; its length is the symbol `<column>.<name>`. */
  list(
    name: string,
    statistic: Statistic,
    dtype: SlotSpec['dtype'],
  ): { readonly value: Value; readonly size: Dim; readonly symbol: string } {
    const symbol = this.slotName(name);
    const size = sizeOf(symbol);
    return {
      value: this.tracer.slot({
        name: symbol,
        column: this.column.name,
        statistic,
        dtype,
        shape: [size],
        size: symbol,
      }),
      size,
      symbol,
    };
  }

  /** 1 where the row is missing, else 0: an additional float32 column, where the column is nullable. */
  indicator(): Readonly<Record<string, Value>> {
    return this.missing === null ? {} : { missing: this.cast(this.missing, 'float32') };
  }

  /** `label.*` are the slots of the label. */
  slotName(name: string): string {
    return this.column.name === 'label' ? `input/label.${name}` : `${this.column.name}.${name}`;
  }
}
