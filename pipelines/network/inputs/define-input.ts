import type { z } from 'zod';
import type { MillraceError } from '../../contracts/errors.js';
import { parseOptions } from '../../define/parse-options.js';
import type { Column, Kind } from '../../types/column-type.js';
import { problemsOf } from '../layers/define-layer.js';
import type { Tracer, Value } from '../tracer.js';
import { RawColumn } from './raw-column.js';

/** What an input makes of a column. Every value is [batch]; '' as a name means the column's own. */
export interface Encoding {
  /** float32: columns that enter the network as they are, all of them side by side as one block. */
  readonly numbers: Readonly<Record<string, Value>>;
  /** float32 or int64: values that the tensor region widens. */
  readonly widened: Readonly<Record<string, Value>>;
  /** From the `widened` values to float32 [batch, width]; null where there are none. */
  readonly widen: ((tracer: Tracer, values: Readonly<Record<string, Value>>) => Value) | null;
}

/**
 * How a column enters the network, for columns of the kinds `K`. Contravariant: an input that takes more kinds fits
 * where fewer are asked for.
 */
export interface Input<in K extends Kind> {
  readonly kind: string;
  readonly options: unknown;
  readonly accepts: (kind: K) => boolean;
  /** The kinds that it takes, for errors. */
  readonly kinds: readonly Kind[];
  readonly check: (path: string, column: Column) => readonly MillraceError[];
  /** Called in the encode region. */
  readonly encode: (tracer: Tracer, column: Column) => Encoding;
}

export interface InputDefinition<S extends z.ZodType, K extends Kind> {
  readonly name: string;
  readonly kinds: readonly K[];
  readonly options: S;
  /** What the options forbid for a column. */
  readonly check?: (options: z.output<S>, column: Column, path: string) => readonly MillraceError[];
  /**
   * Adds the encode region of one column: comparisons, arithmetic, casts, `where` and look-ups, which SQL and ONNX
   * compute to equal bytes.
   */
  readonly encode: (raw: RawColumn, options: z.output<S>) => Partial<Encoding>;
}

/** Defines an input: ours are made here, and so may a user's be. */
export function defineInput<S extends z.ZodType, K extends Kind>(
  definition: InputDefinition<S, K>,
): (options: z.input<S>) => Input<K> {
  const read = (options: unknown, path: string): z.output<S> =>
    parseOptions(definition.options as unknown as z.ZodType<z.output<S>>, options, path, 'NETWORK_INVALID');
  const kinds: readonly Kind[] = definition.kinds;
  return (options) =>
    Object.freeze<Input<K>>({
      kind: definition.name,
      options,
      kinds,
      accepts: (kind) => kinds.includes(kind),
      check: (path, column) => {
        try {
          const parsed = read(options, path);
          return definition.check?.(parsed, column, path) ?? [];
        } catch (error) {
          return problemsOf(error, path);
        }
      },
      encode: (tracer, column) => ({
        numbers: {},
        widened: {},
        widen: null,
        ...definition.encode(new RawColumn(tracer, column), read(options, `fit.inputs.${column.name}`)),
      }),
    });
}
