import { MillraceError, nearestName } from '../../pipelines/contracts/errors.js';
import type { ModelSignature } from '../../pipelines/contracts/signature.js';
import { type Element, readersOf } from '../../pipelines/signature/cell-readers.js';
import type { Elements } from '../../pipelines/signature/elements.js';
import { Problems } from '../../pipelines/signature/problems.js';
import { parseJson } from '../http/body.js';
import { BinaryMisfit, readBinary } from './binary-tensors.js';
import { checkRowCount } from './row-count.js';
import { datatypes } from './tensor-datatypes.js';

/** An `infer` request, checked against the model's signature. */
export interface InferRequest {
  readonly id: string | null;
  readonly elements: Elements;
  /** Which outputs to answer, in this order, and whether as bytes; null asks for all as `isBinary`. */
  readonly outputs: readonly { readonly name: string; readonly isBinary: boolean }[] | null;
  readonly isBinary: boolean;
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown): Fields | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null;
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** Where the JSON ends and the bytes of tensors begin; without the header all is JSON. */
function splitBody(body: Buffer, headerLength: string | undefined): { json: Buffer; binary: Buffer } {
  if (headerLength === undefined) return { json: body, binary: Buffer.alloc(0) };
  const length = /^\d{1,15}$/.test(headerLength) ? Number(headerLength) : Number.NaN;
  if (!(length <= body.length)) {
    throw new MillraceError('REQUEST_INVALID', {
      path: 'Inference-Header-Content-Length',
      expected: `a length of at most the body's ${body.length} bytes`,
      received: 'another value',
    });
  }
  return { json: body.subarray(0, length), binary: body.subarray(length) };
}

/** The rows that a shape says: [rows] or, as a table's column is often sent, [rows, 1]. */
function rowsOfShape(shape: unknown): number | null {
  if (!Array.isArray(shape) || shape.length < 1 || shape.length > 2) return null;
  const [rows, width] = shape as unknown[];
  return Number.isSafeInteger(rows) && (rows as number) >= 0 && (shape.length === 1 || width === 1)
    ? (rows as number)
    : null;
}

/** One cell a row out of `data`, flat or nested as the shape is. */
function flatten(data: readonly unknown[], isNested: boolean): readonly unknown[] {
  if (!isNested || !data.some(Array.isArray)) return data;
  return data.map((item) => (Array.isArray(item) && item.length === 1 ? (item[0] as unknown) : item));
}

/** Reads the tensors of one request into elements; collects every problem. */
class TensorReader {
  readonly #signature: ModelSignature;
  readonly #problems: Problems;
  readonly #maxRows: number;
  #binary: Buffer;
  #rows: number | null = null;

  constructor(signature: ModelSignature, problems: Problems, binary: Buffer, maxRows: number) {
    this.#signature = signature;
    this.#problems = problems;
    this.#binary = binary;
    this.#maxRows = maxRows;
  }

  read(inputs: unknown): Elements {
    const readers = readersOf(this.#signature);
    if (!Array.isArray(inputs)) {
      this.#problems.add('inputs', 'a list of tensors', kindOf(inputs));
      return { rows: 0, values: [] };
    }
    const seen = new Set<string>();
    const cells: (ArrayLike<unknown> | null)[] = readers.map(() => null);
    const paths: string[] = [];
    for (const [index, value] of inputs.entries()) {
      const path = `inputs[${index}]`;
      const input = fieldsOf(value);
      const name = input?.['name'];
      const position = readers.findIndex((reader) => reader.column.name === name);
      if (input === null || typeof name !== 'string')
        this.#problems.add(`${path}.name`, 'the name of a tensor', kindOf(name));
      else if (position < 0)
        this.#unknown(
          `${path}.name`,
          'an input of the model',
          name,
          readers.map((reader) => reader.column.name),
        );
      else if (seen.has(name)) this.#problems.add(`${path}.name`, 'each input once', 'one a second time');
      else {
        seen.add(name);
        paths[position] = path;
        cells[position] = this.#cells(input, path, readers[position]!.dtype);
      }
    }
    for (const { column, dtype } of readers) {
      if (!seen.has(column.name))
        this.#problems.add('inputs', `a tensor named "${column.name}" of ${datatypes[dtype]}`, 'none');
    }
    if (this.#binary.length > 0)
      this.#problems.add('body', 'no bytes after the tensors', `${this.#binary.length} more`);
    return this.#elements(cells, paths);
  }

  #unknown(path: string, expected: string, name: string, known: readonly string[]): void {
    const nearest = name.length <= 128 ? nearestName(name, known) : null;
    this.#problems.add(path, expected, 'an unknown name', nearest === null ? undefined : `Did you mean "${nearest}"?`);
  }

  #cells(input: Fields, path: string, dtype: keyof typeof datatypes): ArrayLike<unknown> | null {
    const { datatype, shape, data } = input;
    if (datatype !== datatypes[dtype]) {
      const known =
        Object.values<unknown>(datatypes).includes(datatype) ||
        /^(U?INT(8|16|32|64)|FP16|BF16)$/.test(String(datatype));
      this.#problems.add(`${path}.datatype`, datatypes[dtype], known ? String(datatype) : 'another value');
    }
    const rows = rowsOfShape(shape);
    if (rows === null) {
      this.#problems.add(
        `${path}.shape`,
        'the shape [rows]',
        Array.isArray(shape) ? `one of ${shape.length} axes` : kindOf(shape),
      );
      return null;
    }
    checkRowCount(rows, `${path}.shape`, this.#maxRows);
    if (this.#rows !== null && rows !== this.#rows) {
      this.#problems.add(`${path}.shape`, `the rows of the other inputs, ${this.#rows}`, `${rows}`);
      return null;
    }
    this.#rows = rows;
    const size = fieldsOf(input['parameters'])?.['binary_data_size'];
    if (size !== undefined) return this.#binaryCells(size, path, dtype, rows);
    if (!Array.isArray(data)) {
      this.#problems.add(`${path}.data`, 'a list of values', kindOf(data));
      return null;
    }
    if (data.length !== rows) {
      this.#problems.add(`${path}.data`, `${rows} values, as its shape says`, `${data.length}`);
      return null;
    }
    return flatten(data, (shape as unknown[]).length === 2);
  }

  #binaryCells(size: unknown, path: string, dtype: keyof typeof datatypes, rows: number): ArrayLike<unknown> | null {
    const left = this.#binary.length;
    if (!Number.isSafeInteger(size) || (size as number) < 0 || (size as number) > left) {
      this.#problems.add(
        `${path}.parameters.binary_data_size`,
        `an integer from 0 to the ${left} bytes left`,
        'another value',
      );
      this.#binary = this.#binary.subarray(left);
      return null;
    }
    const cells = readBinary(this.#binary.subarray(0, size as number), dtype, rows);
    this.#binary = this.#binary.subarray(size as number);
    if (!(cells instanceof BinaryMisfit)) return cells;
    this.#problems.add(path, cells.expected, cells.received);
    return null;
  }

  #elements(cells: readonly (ArrayLike<unknown> | null)[], paths: readonly string[]): Elements {
    const readers = readersOf(this.#signature);
    const rows = this.#rows ?? 0;
    const values = new Array<Element>(rows * readers.length);
    for (const [position, reader] of readers.entries()) {
      const data = cells[position];
      if (data === null || data === undefined) continue;
      for (let row = 0; row < rows; row++) {
        const element = reader.read(data[row]);
        if (element === undefined) this.#problems.addCell(`${paths[position]}.data`, row, reader, data[row]);
        else values[row * readers.length + position] = element;
      }
    }
    return { rows, values };
  }

  outputs(value: unknown, isBinary: boolean): InferRequest['outputs'] {
    if (value === undefined) return null;
    if (!Array.isArray(value)) {
      this.#problems.add('outputs', 'a list of outputs', kindOf(value));
      return null;
    }
    const known = this.#signature.outputs.map((output) => output.name);
    const wanted: { name: string; isBinary: boolean }[] = [];
    for (const [index, item] of value.entries()) {
      const output = fieldsOf(item);
      const name = output?.['name'];
      if (typeof name !== 'string') this.#problems.add(`outputs[${index}].name`, 'the name of an output', kindOf(name));
      else if (!known.includes(name)) this.#unknown(`outputs[${index}].name`, 'an output of the model', name, known);
      else if (!wanted.some((other) => other.name === name)) {
        const asked = fieldsOf(output?.['parameters'])?.['binary_data'];
        wanted.push({ name, isBinary: typeof asked === 'boolean' ? asked : isBinary });
      }
    }
    return wanted;
  }
}

/**
 * Reads the body of an `infer` request.
 *
 * @param headerLength - the header Inference-Header-Content-Length, where tensors follow the JSON as bytes.
 * @throws REQUEST_INVALID - everything that does not fit the signature, with paths such as `inputs[1].data[3].age`.
 * @throws REQUEST_TOO_LARGE - a shape of more than `maxRows`, before anything is made for it.
 */
export function parseInferRequest(
  body: Buffer,
  headerLength: string | undefined,
  signature: ModelSignature,
  maxRows: number,
): InferRequest {
  const { json, binary } = splitBody(body, headerLength);
  const problems = new Problems();
  const request = fieldsOf(parseJson(json));
  if (request === null) {
    problems.add('body', 'an object with "inputs"', 'something else');
    problems.throwAny('body');
  }
  const { id, inputs, outputs, parameters } = request ?? {};
  if (id !== undefined && typeof id !== 'string') problems.add('id', 'a string', kindOf(id));
  if (parameters !== undefined && fieldsOf(parameters) === null)
    problems.add('parameters', 'an object', kindOf(parameters));
  const isBinary = fieldsOf(parameters)?.['binary_data_output'] === true;
  const reader = new TensorReader(signature, problems, binary, maxRows);
  const elements = reader.read(inputs);
  const wanted = reader.outputs(outputs, isBinary);
  problems.throwAny('body');
  return { id: typeof id === 'string' ? id : null, elements, outputs: wanted, isBinary };
}
