/** What a text ends inside of; `$$` for `$$text$$` and `$tag$text$tag$`. */
export type OpenPart = "'" | '"' | '$$' | 'comment' | null;

interface Opening {
  /** How many characters open it. */
  readonly length: number;
  readonly closing: string;
  readonly part: OpenPart;
  /** Whether a backslash takes the next character's meaning away, as in `E'it\'s'`. */
  readonly escapes: boolean;
}

const plain: Readonly<Record<string, Opening>> = {
  "'": { length: 1, closing: "'", part: "'", escapes: false },
  '"': { length: 1, closing: '"', part: '"', escapes: false },
  '--': { length: 2, closing: '\n', part: 'comment', escapes: false },
  '/*': { length: 2, closing: '*/', part: 'comment', escapes: false },
};

// A name may hold a dollar sign and end in e: neither opens anything there.
const dollars = /(?<![\w$\u0080-\uffff])\$(?:[a-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/iy;
const escaped = /(?<![\w$\u0080-\uffff])e'/iy;

/**
 * Where the end of a SQL text stands: inside a string, a quoted name, a comment, or (null) in the code.
 * A doubled quote closes and opens again, which comes to the same.
 */
export function openPart(text: string): OpenPart {
  let position = 0;
  while (position < text.length) {
    const opening = openingAt(text, position);
    if (opening === null) {
      position++;
      continue;
    }
    const end = closingEnd(text, position + opening.length, opening);
    if (end === null) return opening.part;
    position = end;
  }
  return null;
}

function openingAt(text: string, position: number): Opening | null {
  const known = plain[text[position]!] ?? plain[text.slice(position, position + 2)];
  if (known !== undefined) return known;
  escaped.lastIndex = position;
  if (escaped.test(text)) return { length: 2, closing: "'", part: "'", escapes: true };
  dollars.lastIndex = position;
  const [tag] = dollars.exec(text) ?? [];
  return tag === undefined ? null : { length: tag.length, closing: tag, part: '$$', escapes: false };
}

function closingEnd(text: string, from: number, { closing, escapes }: Opening): number | null {
  if (!escapes) {
    const at = text.indexOf(closing, from);
    return at < 0 ? null : at + closing.length;
  }
  for (let at = from; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === closing) return at + 1;
  }
  return null;
}
