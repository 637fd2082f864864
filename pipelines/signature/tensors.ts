import { MillraceError, nearestName, throwProblems } from '../contracts/errors.js';
import type { TensorValue } from '../contracts/infer.js';
import type { ModelSignature } from '../contracts/signature.js';
import type { SqlCell } from '../contracts/sql.js';
import { type CellReader, cellReader, describeCell, type Element } from './cell-readers.js';

/** How many problems of one request are reported; the rest is only counted. */
export const MAX_PROBLEMS = 20;

/** One answer a row, by the model's task. A class is named as text: 'true' for the label true. */
export type Answer =
  | { readonly probability: number; readonly class: string }
  | { readonly probabilities: Readonly<Record<string, number>>; readonly class: string }
  | { readonly prediction: number | Readonly<Record<string, number>> };

const readersBySignature = new WeakMap<ModelSignature, readonly CellReader[]>();

function readersOf(signature: ModelSignature): readonly CellReader[] {
  let readers = readersBySignature.get(signature);
  if (readers === undefined) {
    readers = signature.inputs.map(cellReader);
    readersBySignature.set(signature, readers);
  }
  return readers;
}

/** The problems of one request: at most {@link MAX_PROBLEMS} in full. */
class Problems {
  readonly #all: MillraceError[] = [];
  #more = 0;

  add(path: string, expected: string, received: string, hint?: string): void {
    if (this.#all.length === MAX_PROBLEMS) this.#more += 1;
    else
      this.#all.push(
        new MillraceError('REQUEST_INVALID', { path, expected, received, ...(hint === undefined ? {} : { hint }) }),
      );
  }

  addCell(path: string, row: number, reader: CellReader, cell: unknown): void {
    this.add(cellPath(path, row, reader.column.name), reader.expected, received(reader, cell));
  }

  throwAny(path: string): void {
    if (this.#more > 0) {
      const found = MAX_PROBLEMS + this.#more;
      this.#all[MAX_PROBLEMS - 1] = new MillraceError('REQUEST_INVALID', {
        path,
        expected: 'no problems',
        received: `${found} problems, of which ${MAX_PROBLEMS - 1} are shown`,
      });
    }
    throwProblems(this.#all);
  }
}

function received(reader: CellReader, cell: unknown): string {
  const { kind } = reader.column.type;
  const isNumeric = reader.dtype !== 'string' && kind !== 'bool';
  const isFloat = kind === 'float32' || kind === 'float64';
  if (typeof cell === 'number' && isFloat && Number.isFinite(cell)) return 'a number out of range';
  if (typeof cell === 'number' && !isNumeric && Number.isFinite(cell)) return 'a number';
  if (typeof cell === 'string' && isNumeric) return 'a string';
  return describeCell(cell);
}

function cellPath(path: string, row: number, name: string): string {
  return `${path}[${row}]${/^[A-Za-z_$][\w$]*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`}`;
}

function emptyTensor(dtype: CellReader['dtype'], rows: number): { tensor: TensorValue; data: Element[] } {
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

/**
 * Turns raw columns into the model's inputs: one tensor of shape [rows] for each column of the signature.
 * A missing number or bool is NaN in a float input, a missing string is ''; int64 is a BigInt64Array, bool 0 and 1.
 *
 * @param columns - raw cells by column name, in the JavaScript types of the type table; further columns are ignored.
 * @param rows - how many cells each column has.
 * @throws REQUEST_INVALID - a column that is not there or has another length; a null where the column may not be null;
 *   NaN, infinity, an integer out of range (beyond 2^53 in a float input); a string with NUL. All together, at most 20.
 */
export function tensorsFromColumns(
  signature: ModelSignature,
  columns: Readonly<Record<string, ArrayLike<SqlCell>>>,
  rows: number,
): Record<string, TensorValue> {
  const problems = new Problems();
  const tensors = readersOf(signature).map((reader): [string, TensorValue] => {
    const { name } = reader.column;
    const cells = Object.hasOwn(columns, name) ? columns[name] : undefined;
    const { tensor, data } = emptyTensor(reader.dtype, rows);
    if (cells === undefined || cells.length !== rows) {
      problems.add(`columns.${name}`, `${rows} cells`, cells === undefined ? 'no such column' : `${cells.length}`);
      return [name, tensor];
    }
    for (let row = 0; row < rows; row++) {
      const element = reader.read(cells[row]);
      if (element === undefined) problems.addCell('rows', row, reader, cells[row]);
      else data[row] = element;
    }
    return [name, tensor];
  });
  problems.throwAny('rows');
  return Object.fromEntries(tensors);
}

type NamedRow = Readonly<Record<string, unknown>>;

function isNamedRow(row: unknown): row is NamedRow {
  return typeof row === 'object' && row !== null && !Array.isArray(row);
}

/** Checks names and values of every row, handing each good element to `put`. */
function readRows(
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
 * Turns rows of named features, as they come in JSON, into raw columns in the JavaScript types of the type table.
 * Integers of 64 bits may be strings (JSON loses them beyond 2^53), timestamps and dates are ISO 8601 strings.
 *
 * @param rows - untrusted; a list of objects with exactly the signature's columns as keys.
 * @param path - what problems call the list: "rows" gives `rows[3].age`.
 * @throws REQUEST_INVALID - no list; a row that is no object; a feature that is missing or unknown (with the nearest
 *   name); a value of another type or out of range. All together, at most 20.
 */
export function columnsFromRows(signature: ModelSignature, rows: unknown, path: string): Record<string, SqlCell[]> {
  const readers = readersOf(signature);
  const columns = readers.map((): SqlCell[] => []);
  readRows(signature, rows, path, (reader, row, _element, cell) => {
    columns[reader]![row] = readers[reader]!.toCell(cell);
  });
  return Object.fromEntries(readers.map((reader, index) => [reader.column.name, columns[index]!]));
}

/**
 * Turns rows of named features straight into the model's inputs: {@link columnsFromRows} and
 * {@link tensorsFromColumns} in one pass.
 *
 * @throws REQUEST_INVALID
 */
export function tensorsFromRows(signature: ModelSignature, rows: unknown, path: string): Record<string, TensorValue> {
  const readers = readersOf(signature);
  const length = Array.isArray(rows) ? rows.length : 0;
  const targets = readers.map((reader) => emptyTensor(reader.dtype, length));
  const data = targets.map((target) => target.data);
  readRows(signature, rows, path, (reader, row, element) => {
    data[reader]![row] = element;
  });
  return Object.fromEntries(readers.map((reader, index) => [reader.column.name, targets[index]!.tensor]));
}

function outputData(outputs: Readonly<Record<string, TensorValue>>, name: string, length: number): ArrayLike<number> {
  const output = Object.hasOwn(outputs, name) ? outputs[name] : undefined;
  if (
    output === undefined ||
    (output.dtype !== 'float32' && output.dtype !== 'float64') ||
    output.data.length !== length
  ) {
    throw new MillraceError('ARTIFACT_CORRUPT', {
      path: `outputs.${name}`,
      expected: `a float tensor of ${length} values`,
      received: output === undefined ? 'no such output' : `${output.dtype} of ${output.data.length}`,
      hint: 'Export the model again.',
    });
  }
  return output.data;
}

function finite(value: number, row: number, first: number): number {
  if (Number.isFinite(value)) return value;
  throw new MillraceError('REQUEST_INVALID', {
    path: `rows[${row - first}]`,
    expected: 'features whose prediction is finite',
    received: 'values so large that the model overflows',
    hint: 'Send features within the range of the training data.',
  });
}

/**
 * Turns the model's outputs into one answer a row: binary `{ probability, class }`, multiclass
 * `{ probabilities, class }` (the first of the largest), regression `{ prediction }` (by label where there are several).
 *
 * A binary class is the second one where probability >= threshold (0.5 where the signature has none).
 *
 * @param outputs - `probability` [rows], `probabilities` [rows, classes] or `prediction` [rows] or [rows, targets].
 * @param range - which rows of the outputs; paths count from its start. Default: all.
 * @throws ARTIFACT_CORRUPT - outputs that do not fit the signature.
 * @throws REQUEST_INVALID - a row whose prediction is not finite.
 */
export function answersFromOutputs(
  signature: ModelSignature,
  outputs: Readonly<Record<string, TensorValue>>,
  rows: number,
  range: { readonly start: number; readonly end: number } = { start: 0, end: rows },
): Answer[] {
  const { start, end } = range;
  const answers: Answer[] = [];
  const { classes, labels } = signature;
  if (signature.task === 'binary') {
    const data = outputData(outputs, 'probability', rows);
    const threshold = signature.threshold ?? 0.5;
    const [negative = 'false', positive = 'true'] = classes;
    for (let row = start; row < end; row++) {
      const probability = finite(data[row]!, row, start);
      answers.push({ probability, class: probability >= threshold ? positive : negative });
    }
    return answers;
  }
  if (signature.task === 'multiclass') {
    const data = outputData(outputs, 'probabilities', rows * classes.length);
    for (let row = start; row < end; row++) {
      const offset = row * classes.length;
      let best = 0;
      const entries = classes.map((name, index): [string, number] => {
        const probability = finite(data[offset + index]!, row, start);
        if (probability > data[offset + best]!) best = index;
        return [name, probability];
      });
      answers.push({ probabilities: Object.fromEntries(entries), class: classes[best] ?? '' });
    }
    return answers;
  }
  const data = outputData(outputs, 'prediction', rows * labels.length);
  for (let row = start; row < end; row++) {
    if (labels.length === 1) answers.push({ prediction: finite(data[row]!, row, start) });
    else {
      const offset = row * labels.length;
      answers.push({
        prediction: Object.fromEntries(
          labels.map((label, index) => [label, finite(data[offset + index]!, row, start)]),
        ),
      });
    }
  }
  return answers;
}
