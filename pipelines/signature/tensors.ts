import type { TensorValue } from '../contracts/infer.js';
import type { ModelSignature } from '../contracts/signature.js';
import type { SqlCell } from '../contracts/sql.js';
import { readersOf } from './cell-readers.js';
import { emptyTensor, readRows } from './elements.js';
import { Problems } from './problems.js';

export { answersFromOutputs } from './answers.js';

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
