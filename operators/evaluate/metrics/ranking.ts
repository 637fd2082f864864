/** Rows in ascending order of a score; rows of equal score stand together. */
export interface Ranking {
  readonly order: Uint32Array;
  /** 1 at the last position of each group of equal scores. */
  readonly isGroupEnd: Uint8Array;
}

/** O(n log n). */
export function rankRows(rows: number, score: (row: number) => number): Ranking {
  const scores = new Float64Array(rows);
  for (let row = 0; row < rows; row++) scores[row] = score(row);
  const order = new Uint32Array(rows);
  for (let row = 0; row < rows; row++) order[row] = row;
  order.sort((a, b) => scores[a]! - scores[b]! || a - b);
  const isGroupEnd = new Uint8Array(rows);
  for (let i = 0; i < rows; i++) {
    isGroupEnd[i] = i + 1 === rows || scores[order[i]!] !== scores[order[i + 1]!] ? 1 : 0;
  }
  return { order, isGroupEnd };
}
