import type { SqlValue } from '../contracts/sql.js';
import type { Column } from '../types/column-type.js';

/** How files become rows. Paths are relative to the run's root, or absolute; globs and .gz are allowed. */
export type SourceSpec =
  | {
      readonly format: 'csv';
      readonly path: string;
      /** null: sniffed from whole files, and recorded. */
      readonly columns: readonly Column[] | null;
      readonly header: boolean;
      /** Names for a file without a header; null otherwise. */
      readonly names: readonly string[] | null;
      /** Words that mean NULL, besides the empty field. */
      readonly nulls: readonly string[];
      readonly trim: boolean;
      /** Name of a column that takes the line number (1-based, the header counts), or null. */
      readonly lineNumber: string | null;
      readonly delimiter: string;
    }
  | { readonly format: 'parquet'; readonly path: string; readonly columns: readonly Column[] | null }
  | { readonly format: 'json'; readonly path: string; readonly columns: readonly Column[] | null }
  | { readonly format: 'arrow'; readonly path: string; readonly columns: readonly Column[] | null };

/** A lazy dataset: what fused SQL is made of. */
export type Relation =
  /** A written dataset: the stage's input of this name. */
  | { readonly kind: 'input'; readonly input: string }
  | { readonly kind: 'source'; readonly source: SourceSpec }
  /**
   * A SELECT over other relations. In `text`, `{{0}}`, `{{1}}` … stand for `relations[i]` where a table name stands,
   * and `$1`, `$2` … for `values[i - 1]`.
   */
  | {
      readonly kind: 'sql';
      readonly text: string;
      readonly values: readonly SqlValue[];
      readonly relations: readonly Relation[];
      /** `.as(…)`: a checked cast to these columns, in this order; null where none was written. */
      readonly columns: readonly Column[] | null;
    };

/** Which rows train, validate and test. Rows that belong to none (purged, or another value) are left out. */
export type SplitSpec =
  /** u = first 12 hexadecimal digits of md5(seed ':' key text) / 16^12; train where u < train, and so on. */
  | {
      readonly kind: 'hash';
      /** Empty: the dataset's key, else all columns. */
      readonly by: readonly string[];
      readonly train: number;
      readonly validation: number;
      readonly test: number;
      readonly seed: number;
      /** A column whose values each get the same fractions (by rank of the hash within the value), or null. */
      readonly stratify: string | null;
    }
  /** train before cuts[0], validation before cuts[1], test from there; `purgeHours` before each cut are left out. */
  | {
      readonly kind: 'time';
      readonly column: string;
      readonly cuts: readonly [string, string];
      readonly purgeHours: number;
    }
  /** A given column that says 'train', 'validation' or 'test'; validation may be cut from train by hash instead. */
  | {
      readonly kind: 'column';
      readonly column: string;
      readonly validation: { readonly fraction: number; readonly by: readonly string[]; readonly seed: number } | null;
    };
