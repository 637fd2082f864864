/** A part of SQL text: what stands outside strings, names in quotes and comments, or one of those. */
interface Token {
  readonly kind: 'code' | 'opaque';
  readonly text: string;
}

/**
 * Splits SQL text so that nothing inside a string, a quoted name, a dollar-quoted text or a comment is taken for
 * structure. Block comments nest, as in DuckDB; what is not closed runs to the end (the parser refuses it).
 */
function tokens(text: string): Token[] {
  const found: Token[] = [];
  let code = 0;
  let position = 0;
  const flush = (end: number): void => {
    if (end > code) found.push({ kind: 'code', text: text.slice(code, end) });
  };
  while (position < text.length) {
    const end = opaqueEnd(text, position);
    if (end === null) {
      position++;
      continue;
    }
    flush(position);
    found.push({ kind: 'opaque', text: text.slice(position, end) });
    position = end;
    code = end;
  }
  flush(text.length);
  return found;
}

/** Where the opaque part that begins here ends, or null where none begins. */
function opaqueEnd(text: string, start: number): number | null {
  const two = text.slice(start, start + 2);
  if (two === '--') {
    const end = text.indexOf('\n', start);
    return end < 0 ? text.length : end;
  }
  if (two === '/*') return blockCommentEnd(text, start);
  const character = text[start];
  if (character === "'")
    return quotedEnd(text, start, "'", /[eE]/.test(text[start - 1] ?? '') && !/\w/.test(text[start - 2] ?? ''));
  if (character === '"') return quotedEnd(text, start, '"', false);
  if (character === '$' && !/[\w$]/.test(text[start - 1] ?? '')) {
    const tag = /^\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/.exec(text.slice(start, start + 128))?.[0];
    if (tag === undefined) return null;
    const end = text.indexOf(tag, start + tag.length);
    return end < 0 ? text.length : end + tag.length;
  }
  return null;
}

function blockCommentEnd(text: string, start: number): number {
  let depth = 0;
  let position = start;
  while (position < text.length) {
    const two = text.slice(position, position + 2);
    if (two === '/*') depth++;
    if (two === '*/') depth--;
    position += two === '/*' || two === '*/' ? 2 : 1;
    if (depth === 0) return position;
  }
  return text.length;
}

function quotedEnd(text: string, start: number, quote: string, hasEscapes: boolean): number {
  for (let position = start + 1; position < text.length; position++) {
    if (hasEscapes && text[position] === '\\') position++;
    else if (text[position] === quote) {
      if (text[position + 1] !== quote) return position + 1;
      position++;
    }
  }
  return text.length;
}

/** What stands for a text's relations and values once it is part of another. */
export interface Substitution {
  /** The table name for `{{index}}`. */
  readonly relation: (index: number) => string;
  /** The new number for `$number`. */
  readonly value: (number: number) => number;
}

/** Puts names for `{{n}}` and new numbers for `$n`; a trailing semicolon goes. */
export function substitute(text: string, substitution: Substitution): string {
  const parts = tokens(text).map((token) =>
    token.kind === 'opaque'
      ? token.text
      : token.text
          .replace(/\{\{(\d+)\}\}/g, (_, index: string) => substitution.relation(Number(index)))
          .replace(/(?<![\w$])\$(\d+)/g, (_, number: string) => `$${substitution.value(Number(number))}`),
  );
  return withoutSemicolon(parts.join(''));
}

/** The text without a semicolon at its end; comments stay. */
export function withoutSemicolon(text: string): string {
  const parts = tokens(text);
  for (let index = parts.length - 1; index >= 0; index--) {
    const part = parts[index];
    if (part === undefined) break;
    if (part.kind === 'opaque') {
      if (part.text.startsWith('--') || part.text.startsWith('/*')) continue;
      break;
    }
    const trimmed = part.text.trimEnd();
    if (trimmed === '') continue;
    if (!trimmed.endsWith(';')) break;
    parts[index] = { kind: 'code', text: trimmed.replace(/[;\s]+$/, '') + part.text.slice(trimmed.length) };
  }
  return parts.map((part) => part.text).join('');
}

/** The name that stands for `{{index}}` in a text that is parsed alone: as long as the placeholder, so that columns in messages are the user's. */
export function placeholderName(index: number): string {
  return `r${index}_`;
}
