/** DuckDB's texts go on with hints that quote options and rows. */
export function firstLine(message: string): string {
  return message.split('\n', 1)[0] ?? '';
}

/** Quoted texts and numbers in DuckDB's messages may be cells. */
export function withoutValues(text: string): string {
  return text
    .replace(/'(?:[^']|'')*'|"(?:[^"]|"")*"/g, (quoted) => (/^["'][A-Za-z_][\w]*["']$/.test(quoted) ? quoted : "'…'"))
    .replace(/\([^()]*\d[^()]*\)/g, '(…)')
    .replace(/value -?[\d.]+(e[+-]?\d+)?/gi, 'value …');
}

/** What DuckDB's names for types are called here. */
export const typeNames: Readonly<Record<string, string>> = {
  BIGINT: 'int64',
  INTEGER: 'int32',
  SMALLINT: 'int16',
  TINYINT: 'int8',
  UBIGINT: 'uint64',
  UINTEGER: 'uint32',
  USMALLINT: 'uint16',
  UTINYINT: 'uint8',
  DOUBLE: 'float64',
  FLOAT: 'float32',
  BOOLEAN: 'bool',
  DATE: 'date',
  TIMESTAMP: 'timestamp',
};

/** `an int64`, `a uint8`. */
export function article(duckdbType: string): string {
  const name = typeNames[duckdbType] ?? duckdbType.toLowerCase();
  return `${/^[aeiou]/.test(name) && !name.startsWith('uint') ? 'an' : 'a'} ${name}`;
}

/** What a text looks like, without showing it. */
export function kindOfText(text: string): string {
  if (text === '') return 'an empty field';
  if (text.trim() === '') return 'white space';
  if (/^\s*[+-]?\d+\s*$/.test(text)) return 'a whole number out of range';
  if (/^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(text)) return 'a number';
  if (/^\s*\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}/.test(text)) return 'a date or time in another form';
  return `a text of ${text.length} character${text.length === 1 ? '' : 's'}`;
}
