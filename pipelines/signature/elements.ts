import { nearestName } from '../contracts/errors.js';
import type { TensorValue } from '../contracts/infer.js';
import type { ModelSignature } from '../contracts/signature.js';
import { type CellReader, describeCell, type Element, readersOf } from './cell-readers.js';
import { cellPath, Problems } from './problems.js';

/**
 * Checked rows that wait to be written into tensors, so that several requests become one batch.
 * `values[row * inputs + input]`, inputs in the signature's order.
 */
export interface Elements {
  readonly rows: number;
  readonly values: readonly Element[];
}

type NamedRow = Readonly<Record<string, unknown>>;

function isNamedRow(row: unknown): row is NamedRow {
  return typeof row === 'object' && row !== null && !Array.isArray(row);
}

/** Checks names and values of every row, handing each good element to `put`. */
export function readRows(
  signature: ModelSignature,
  rows: unknown,
  path: string,
  put: (reader: number, row: number, element: Element, cell: unknown) => void,
): void {
  const problems = new Problems();
  const readers = readersOf(signature);
  if (!Array.isArray(rows)) {
    problems.add(path, 'a list of rows', describeCell(rows), 'Send {"rows": [{"<feature>": <value>, …}, …]}.');
    problems.throwAny(path);
    return;
  }
  for (let row = 0; row < rows.length; row++) {
    const cells: unknown = rows[row];
    if (!isNamedRow(cells)) {
      problems.add(`${path}[${row}]`, 'an object with a value for each feature', describeCell(cells));
      continue;
    }
    let present = 0;
    for (let index = 0; index < readers.length; index++) {
      const reader = readers[index]!;
      const { name } = reader.column;
      const cell = Object.hasOwn(cells, name) ? cells[name] : undefined;
      const element = reader.read(cell);
      if (element !== undefined) put(index, row, element, cell);
      else problems.addCell(path, row, reader, cell);
      if (cell !== undefined) present += 1;
    }
    let named = 0;
    for (const _ in cells) named += 1;
    if (named !== present) addUnknown(problems, readers, cells, path, row);
  }
  problems.throwAny(path);
}

function addUnknown(
  problems: Problems,
  readers: readonly CellReader[],
  cells: NamedRow,
  path: string,
  row: number,
): void {
  const known = readers.map((reader) => reader.column.name);
  for (const name of Object.keys(cells)) {
    if (known.includes(name)) continue;
    const nearest = name.length <= 128 ? nearestName(name, known) : null;
    problems.add(
      cellPath(path, row, name.length <= 128 ? name : `${name.slice(0, 128)}…`),
      'a feature of the model',
      'an unknown name',
      nearest === null ? `The model takes ${known.join(', ')}.` : `Did you mean "${nearest}"?`,
    );
  }
}

/**
 * Checks rows of named features and keeps what they become in the model's inputs.
 *
 * @throws REQUEST_INVALID - as `columnsFromRows`.
 */
export function elementsFromRows(signature: ModelSignature, rows: unknown, path: string): Elements {
  const inputs = signature.inputs.length;
  const length = Array.isArray(rows) ? rows.length : 0;
  const values = new Array<Element>(length * inputs);
  readRows(signature, rows, path, (reader, row, element) => {
    values[row * inputs + reader] = element;
  });
  return { rows: length, values };
}

/** Rows `start` to `end` (exclusive). */
export function sliceElements(signature: ModelSignature, elements: Elements, start: number, end: number): Elements {
  const inputs = signature.inputs.length;
  return { rows: end - start, values: elements.values.slice(start * inputs, end * inputs) };
}

/** A tensor of shape [rows], and its data as something that elements can be written to. */
export function emptyTensor(dtype: CellReader['dtype'], rows: number): { tensor: TensorValue; data: Element[] } {
  const shape = [rows];
  switch (dtype) {
    case 'float32': {
      const data = new Float32Array(rows);
      return { tensor: { dtype, shape, data }, data: data as unknown as Element[] };
    }
    case 'float64': {
      const data = new Float64Array(rows);
      return { tensor: { dtype, shape, data }, data: data as unknown as Element[] };
    }
    case 'int64': {
      const data = new BigInt64Array(rows);
      return { tensor: { dtype, shape, data }, data: data as unknown as Element[] };
    }
    case 'bool': {
      const data = new Uint8Array(rows);
      return { tensor: { dtype, shape, data }, data: data as unknown as Element[] };
    }
    case 'string': {
      const data = new Array<string>(rows).fill('');
      return { tensor: { dtype, shape, data }, data };
    }
  }
}

/** Writes the rows of all parts, one after the other, into the model's inputs. */
export function tensorsFromElements(
  signature: ModelSignature,
  parts: readonly Elements[],
): Record<string, TensorValue> {
  let rows = 0;
  for (const part of parts) rows += part.rows;
  const tensors: Record<string, TensorValue> = {};
  const readers = readersOf(signature);
  for (let input = 0; input < readers.length; input++) {
    const reader = readers[input]!;
    const { tensor, data } = emptyTensor(reader.dtype, rows);
    let target = 0;
    for (const { values } of parts) {
      for (let source = input; source < values.length; source += readers.length) data[target++] = values[source];
    }
    tensors[reader.column.name] = tensor;
  }
  return tensors;
}
