import { BinaryReader, type WireType } from '@bufbuild/protobuf/wire';
import { MillraceError } from '../../pipelines/contracts/errors.js';

/** What onnxruntime 1.30 loads. */
export const limits = { irVersion: 13, opset: 26, mlOpset: 5, graphDepth: 16 } as const;

/** The two domains whose operators are defined by ONNX itself. */
const domains: Readonly<Record<string, number>> = {
  '': limits.opset,
  'ai.onnx': limits.opset,
  'ai.onnx.ml': limits.mlOpset,
};

/**
 * Walks a model's protobuf without copying its tensors and refuses what an untrusted file must not do:
 * data in other files, operators of other domains (custom code), functions, newer versions than the engine knows,
 * inputs that a default value would silently replace.
 *
 * @throws ARTIFACT_CORRUPT - not an ONNX model. GRAPH_NOT_EXPORTABLE - a model that is not accepted.
 */
export function inspectModel(bytes: Uint8Array, path: string): void {
  try {
    new ModelWalker(path).model(new BinaryReader(bytes));
  } catch (error) {
    if (error instanceof MillraceError) throw error;
    throw new MillraceError('ARTIFACT_CORRUPT', {
      path,
      expected: 'an ONNX model',
      received: `${bytes.byteLength} bytes that are not`,
      cause: error,
    });
  }
}

class ModelWalker {
  readonly #path: string;
  #irVersion = 0;
  #hasGraph = false;

  constructor(path: string) {
    this.#path = path;
  }

  model(reader: BinaryReader): void {
    this.#fields(reader, reader.len, (field, wireType) => {
      if (field === 1) this.#irVersion = Number(reader.int64());
      else if (field === 7) {
        this.#hasGraph = true;
        this.#message(reader, (length) => this.#graph(reader, length, 0));
      } else if (field === 8) this.#message(reader, (length) => this.#opset(reader, length));
      else if (field === 25) throw this.#refused('no functions of its own', 'functions');
      else reader.skip(wireType, field);
    });
    if (!this.#hasGraph || this.#irVersion < 3) {
      throw new MillraceError('ARTIFACT_CORRUPT', {
        path: this.#path,
        expected: 'an ONNX model with a graph',
        received: this.#hasGraph ? `IR version ${this.#irVersion}` : 'no graph',
      });
    }
    if (this.#irVersion > limits.irVersion)
      throw this.#refused(`an IR version up to ${limits.irVersion}`, String(this.#irVersion));
  }

  #refused(expected: string, received: string): MillraceError {
    return new MillraceError('GRAPH_NOT_EXPORTABLE', { path: this.#path, expected, received });
  }

  #fields(reader: BinaryReader, end: number, visit: (field: number, wireType: WireType) => void): void {
    while (reader.pos < end) {
      const [field, wireType] = reader.tag();
      visit(field, wireType);
    }
    if (reader.pos !== end) throw new RangeError('a message that ends inside a field');
  }

  #message(reader: BinaryReader, visit: (end: number) => void): void {
    const length = reader.uint32();
    const end = reader.pos + length;
    if (end > reader.len) throw new RangeError('a message that is longer than the file');
    visit(end);
  }

  #opset(reader: BinaryReader, end: number): void {
    let domain = '';
    let version = 0;
    this.#fields(reader, end, (field, wireType) => {
      if (field === 1) domain = reader.string();
      else if (field === 2) version = Number(reader.int64());
      else reader.skip(wireType, field);
    });
    const highest = this.#highest(domain);
    if (version < 1 || version > highest)
      throw this.#refused(`an opset of ${domain === '' ? 'ai.onnx' : domain} from 1 to ${highest}`, String(version));
  }

  #highest(domain: string): number {
    const highest = Object.hasOwn(domains, domain) ? domains[domain] : undefined;
    if (highest === undefined)
      throw this.#refused('operators of ai.onnx and ai.onnx.ml', `the domain '${domain.slice(0, 100)}'`);
    return highest;
  }

  #graph(reader: BinaryReader, end: number, depth: number): void {
    if (depth > limits.graphDepth) throw this.#refused(`graphs nested up to ${limits.graphDepth} deep`, 'more');
    const inputs = new Set<string>();
    const initializers = new Set<string>();
    this.#fields(reader, end, (field, wireType) => {
      if (field === 1) this.#message(reader, (length) => this.#node(reader, length, depth));
      else if (field === 5) this.#message(reader, (length) => initializers.add(this.#tensor(reader, length)));
      else if (field === 15) this.#message(reader, (length) => this.#sparse(reader, length));
      else if (field === 11) this.#message(reader, (length) => inputs.add(this.#name(reader, length)));
      else reader.skip(wireType, field);
    });
    for (const name of inputs) {
      if (initializers.has(name))
        throw this.#refused('inputs without default values', `a default for '${name.slice(0, 100)}'`);
    }
  }

  #node(reader: BinaryReader, end: number, depth: number): void {
    this.#fields(reader, end, (field, wireType) => {
      if (field === 7) this.#highest(reader.string());
      else if (field === 5) this.#message(reader, (length) => this.#attribute(reader, length, depth));
      else reader.skip(wireType, field);
    });
  }

  #attribute(reader: BinaryReader, end: number, depth: number): void {
    this.#fields(reader, end, (field, wireType) => {
      if (field === 5 || field === 10) this.#message(reader, (length) => this.#tensor(reader, length));
      else if (field === 6 || field === 11) this.#message(reader, (length) => this.#graph(reader, length, depth + 1));
      else if (field === 22 || field === 23) this.#message(reader, (length) => this.#sparse(reader, length));
      else reader.skip(wireType, field);
    });
  }

  #sparse(reader: BinaryReader, end: number): void {
    this.#fields(reader, end, (field, wireType) => {
      if (field === 1 || field === 2) this.#message(reader, (length) => this.#tensor(reader, length));
      else reader.skip(wireType, field);
    });
  }

  #tensor(reader: BinaryReader, end: number): string {
    let name = '';
    let isExternal = false;
    this.#fields(reader, end, (field, wireType) => {
      if (field === 8) name = reader.string();
      else if (field === 13) {
        isExternal = true;
        reader.skip(wireType, field);
      } else if (field === 14) isExternal = reader.int32() !== 0 || isExternal;
      else reader.skip(wireType, field);
    });
    if (isExternal) throw this.#refused('all tensors inside the file', `external data for '${name.slice(0, 100)}'`);
    return name;
  }

  #name(reader: BinaryReader, end: number): string {
    let name = '';
    this.#fields(reader, end, (field, wireType) => {
      if (field === 1) name = reader.string();
      else reader.skip(wireType, field);
    });
    return name;
  }
}
