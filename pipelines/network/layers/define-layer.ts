import type { z } from 'zod';
import { isMillraceError, MillraceError, MillraceErrors } from '../../contracts/errors.js';
import { parseOptions } from '../../define/parse-options.js';
import type { Dim } from '../graph.js';
import type { Tracer, Value } from '../tracer.js';

/** What a layer may know of the model around it. */
export interface LayerContext {
  /** How many numbers a row's prediction has: 1 (binary), `label.classes` (multiclass), the number of targets (regression). */
  readonly outputWidth: Dim;
  /** Traces layers one after the other; `path` says where they were written. */
  readonly sequence: (layers: readonly Layer[], x: Value, path: string) => Value;
  /** Where the layer was written, for errors: `fit.network.2`. */
  readonly path: string;
}

/** A layer as a value: what it is called, its options, and how it adds primitives to a graph. */
export interface Layer {
  readonly kind: string;
  readonly options: unknown;
  /** Every problem of its options, and of the layers inside it. */
  readonly check: (path: string) => readonly MillraceError[];
  readonly trace: (tracer: Tracer, x: Value, context: LayerContext) => Value;
}

export interface LayerDefinition<S extends z.ZodType> {
  /** Names the layer's scope in the graph: parameters are `<name>/weight`. */
  readonly name: string;
  /** What its options are. Default: none. */
  readonly options?: S;
  /** Layers inside it, by the name of the option that holds them. */
  readonly layers?: (options: z.output<S>) => Readonly<Record<string, readonly Layer[]>>;
  /**
   * Adds the layer to a graph.
   *
   * @param x - what comes in: usually float32 [batch, width].
   * @returns what goes on to the next layer.
   */
  readonly trace: (tracer: Tracer, x: Value, options: z.output<S>, context: LayerContext) => Value;
}

/**
 * Defines a layer of one's own: it trains, exports and draws like the built-in ones, since all of them are made here.
 *
 * ```ts
 * const scale = defineLayer({
 *   name: 'scale',
 *   options: z.strictObject({ start: z.number().default(1) }),
 *   trace: (tracer, x, { start }) =>
 *     tracer.apply('multiply', [x, tracer.parameter('factor', [x.shape[1]!], { kind: 'constant', value: start })]),
 * });
 * network(dense(32, 'relu'), scale({ start: 0.5 }), output())
 * ```
 *
 * @returns a function from options to a layer. Options are checked when the plan is compiled, all problems together.
 */
export function defineLayer<S extends z.ZodType = z.ZodType<undefined, undefined>>(
  definition: LayerDefinition<S>,
): (options?: z.input<S>) => Layer {
  const read = (options: unknown, path: string): z.output<S> =>
    definition.options === undefined
      ? (undefined as z.output<S>)
      : parseOptions(definition.options as unknown as z.ZodType<z.output<S>>, options ?? {}, path, 'NETWORK_INVALID');
  return (options) =>
    Object.freeze<Layer>({
      kind: definition.name,
      options: options ?? {},
      check: (path) => {
        try {
          const parsed = read(options, path);
          const inner = Object.entries(definition.layers?.(parsed) ?? {});
          return inner.flatMap(([name, layers]) => checkLayers(layers, `${path}.${name}`));
        } catch (error) {
          return problemsOf(error, path);
        }
      },
      trace: (tracer, x, context) =>
        tracer.scope(definition.name, () => definition.trace(tracer, x, read(options, context.path), context)),
    });
}

/** The problems of layers that follow one another. */
export function checkLayers(layers: readonly Layer[], path: string): MillraceError[] {
  return layers.flatMap((layer, index) => [...layer.check(`${path}.${index}`)]);
}

/** Traces layers one after the other. @throws NETWORK_SHAPE, NETWORK_INVALID - with the place of the layer. */
export function traceSequence(
  tracer: Tracer,
  layers: readonly Layer[],
  x: Value,
  outputWidth: Dim,
  path: string,
): Value {
  const sequence = (inner: readonly Layer[], from: Value, at: string): Value =>
    traceSequence(tracer, inner, from, outputWidth, at);
  return layers.reduce((value, layer, index) => {
    const at = `${path}.${index}`;
    try {
      return layer.trace(tracer, value, { outputWidth, sequence, path: at });
    } catch (error) {
      throw placed(error, at);
    }
  }, x);
}

/** What an error says, as problems with a place; errors of user code are wrapped. */
export function problemsOf(error: unknown, path: string): readonly MillraceError[] {
  if (error instanceof MillraceErrors) return error.problems;
  return [placed(error, path)];
}

function placed(error: unknown, path: string): MillraceError {
  if (!isMillraceError(error)) {
    return new MillraceError('NETWORK_INVALID', {
      path,
      expected: 'code that traces without an exception',
      received: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
      cause: error,
    });
  }
  if (error.path.startsWith('fit.') || error instanceof MillraceErrors) return error;
  const { expected, received, hint } = error;
  return new MillraceError(error.code, {
    path: `${path} (${error.path})`,
    expected,
    received,
    cause: error,
    ...(hint === null ? {} : { hint }),
  });
}
