/** What a text ends inside of. */
export type OpenPart = "'" | '"' | 'comment' | null;

const closings: readonly (readonly [string, string, OpenPart])[] = [
  ["'", "'", "'"],
  ['"', '"', '"'],
  ['--', '\n', 'comment'],
  ['/*', '*/', 'comment'],
];

/**
 * Where the end of a SQL text stands: inside a string, a quoted name, a comment, or (null) in the code.
 * A doubled quote closes and opens again, which comes to the same.
 */
export function openPart(text: string): OpenPart {
  let position = 0;
  while (position < text.length) {
    const opening = closings.find(([begin]) => text.startsWith(begin, position));
    if (opening === undefined) {
      position++;
      continue;
    }
    const [begin, end, part] = opening;
    const close = text.indexOf(end, position + begin.length);
    if (close < 0) return part;
    position = close + end.length;
  }
  return null;
}
