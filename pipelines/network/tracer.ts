import { MillraceError } from '../contracts/errors.js';
import {
  type AttributeValue,
  type Dim,
  type DType,
  type FeedColumn,
  formatShape,
  type GraphNode,
  type Initializer,
  type SlotSpec,
  type TensorGraph,
} from './graph.js';
import { type Primitive, primitiveRules } from './primitives.js';

/** A value while a graph is traced: an index into the tracer's nodes, with its dtype and shape. */
export interface Value {
  readonly index: number;
  readonly dtype: DType;
  readonly shape: readonly Dim[];
}

/**
 * Records primitives into a graph. Layers, activations, losses and inputs are functions that call it;
 * nothing is computed. Scopes give nodes their names, parameters are shared by name.
 */
export class Tracer {
  readonly #nodes: GraphNode[] = [];
  readonly #feed: FeedColumn[] = [];
  readonly #slots = new Map<string, SlotSpec>();
  readonly #leaves = new Map<string, Value>();
  readonly #names = new Map<string, number>();
  #scope: readonly string[] = [];
  #region: 'encode' | 'tensor' = 'tensor';

  /** Runs `body` with node and parameter names under `name`; a name taken already gets `_1`, `_2`, … */
  scope<T>(name: string, body: () => T): T {
    const outer = this.#scope;
    this.#scope = [
      ...outer,
      this.#unique([...outer, name].join('/')).slice(outer.join('/').length + (outer.length > 0 ? 1 : 0)),
    ];
    try {
      return body();
    } finally {
      this.#scope = outer;
    }
  }

  /** Runs `body` with its nodes in the encode region: computed by SQL for the feed and by ONNX for serving. */
  encode<T>(body: () => T): T {
    const outer = this.#region;
    this.#region = 'encode';
    try {
      return body();
    } finally {
      this.#region = outer;
    }
  }

  /** Adds one primitive. @throws NETWORK_SHAPE, NETWORK_INVALID */
  apply(op: Primitive, inputs: readonly Value[], attributes: Readonly<Record<string, AttributeValue>> = {}): Value {
    const rule = primitiveRules[op];
    const path = [...this.#scope, op].join('/');
    if (inputs.length < rule.arity[0] || inputs.length > rule.arity[1]) {
      throw new MillraceError('NETWORK_INVALID', {
        path,
        expected: `${rule.arity[0] === rule.arity[1] ? rule.arity[0] : `${rule.arity[0]} to ${rule.arity[1]}`} inputs`,
        received: String(inputs.length),
      });
    }
    if (!rule.regions.includes(this.#region)) {
      throw new MillraceError('NETWORK_INVALID', {
        path,
        expected: `a primitive of the ${this.#region} region`,
        received: `'${op}'`,
      });
    }
    const missing = rule.attributes.filter((name) => attributes[name] === undefined);
    if (missing.length > 0) {
      throw new MillraceError('NETWORK_INVALID', {
        path,
        expected: `the attributes ${rule.attributes.join(', ')}`,
        received: `none for ${missing.join(', ')}`,
      });
    }
    const { dtype, shape } = rule.infer(inputs, attributes, path);
    return this.#push({
      op,
      name: this.#unique(path),
      inputs: inputs.map((input) => input.index),
      attributes,
      dtype,
      shape,
      region: this.#region,
    });
  }

  /** A raw column in the encode region, or a named input of a loss graph. One node per name. */
  input(name: string, dtype: DType, shape: readonly Dim[]): Value {
    return this.#leaf('input', name, { name }, dtype, shape);
  }

  /** A trained tensor. The name is put under the current scope unless it starts with '/'; equal names are one parameter. */
  parameter(name: string, shape: readonly Dim[], initializer: Initializer): Value {
    const path = name.startsWith('/') ? name.slice(1) : [...this.#scope, name].join('/');
    return this.#leaf('parameter', path, { name: path, initializer }, 'float32', shape);
  }

  /** Running statistics: updated by batchNorm while training, never by the optimizer. */
  buffer(name: string, shape: readonly Dim[], fill: number): Value {
    const path = [...this.#scope, name].join('/');
    return this.#leaf('buffer', path, { name: path, fill }, 'float32', shape);
  }

  /** A value that `fit` computes from the train split. One node a region: a reader of one region never needs the other's. */
  slot(spec: SlotSpec): Value {
    this.#slots.set(spec.name, spec);
    return this.#leaf('slot', spec.name, { name: spec.name }, spec.dtype, spec.shape);
  }

  /** The full name that `name` has in the current scope, as `parameter` gives it. */
  path(name: string): string {
    return [...this.#scope, name].join('/');
  }

  constant(value: number | string, dtype: DType): Value {
    return this.#push({
      op: 'constant',
      name: this.#unique([...this.#scope, 'constant'].join('/')),
      inputs: [],
      attributes: { value },
      dtype,
      shape: [],
      region: this.#region,
    });
  }

  /** Declares an encode value [batch] as a column of the feed: the tensor region goes on from it. */
  feed(name: string, value: Value): Value {
    this.#feed.push({ name, node: value.index, dtype: value.dtype === 'int64' ? 'int64' : 'float32' });
    return value;
  }

  get slots(): readonly SlotSpec[] {
    return [...this.#slots.values()];
  }

  finish(outputs: Readonly<Record<string, Value>>): TensorGraph {
    return {
      formatVersion: 1,
      nodes: this.#nodes,
      feed: this.#feed,
      outputs: Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, value.index])),
    };
  }

  #leaf(
    op: Primitive,
    key: string,
    attributes: Readonly<Record<string, AttributeValue>>,
    dtype: DType,
    shape: readonly Dim[],
  ): Value {
    const known = this.#leaves.get(`${op}:${this.#region}:${key}`);
    if (known !== undefined) {
      if (known.dtype !== dtype || formatShape(known.shape) !== formatShape(shape)) {
        throw new MillraceError('NETWORK_SHAPE', {
          path: key,
          expected: `${dtype} ${formatShape(shape)}, as here`,
          received: `${known.dtype} ${formatShape(known.shape)} under the same name`,
          hint: 'Name one of the two layers otherwise.',
        });
      }
      return known;
    }
    const value = this.#push({
      op,
      name: this.#unique(key),
      inputs: [],
      attributes,
      dtype,
      shape,
      region: this.#region,
    });
    this.#leaves.set(`${op}:${this.#region}:${key}`, value);
    return value;
  }

  #push(node: GraphNode): Value {
    this.#nodes.push(node);
    return { index: this.#nodes.length - 1, dtype: node.dtype, shape: node.shape };
  }

  #unique(name: string): string {
    let unique = name;
    let count = this.#names.get(name) ?? 0;
    while (this.#names.has(unique)) unique = `${name}_${++count}`;
    this.#names.set(name, count);
    this.#names.set(unique, this.#names.get(unique) ?? 0);
    return unique;
  }
}
