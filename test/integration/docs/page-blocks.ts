/** A fenced block of a page. */
export interface Block {
  readonly language: string;
  readonly text: string;
  /** Line of the opening fence, from 1. */
  readonly line: number;
}

/** Commands of a page, and the output that the page shows for them, or null. */
export interface CommandBlock {
  readonly line: number;
  readonly commands: string;
  readonly shown: string | null;
}

/** Every fenced block of a page, in order. */
export function blocksOf(page: string): readonly Block[] {
  return [...page.matchAll(/^```(\w+)[^\n]*\n([\s\S]*?)^```$/gm)].map((match) => ({
    language: match[1]!,
    text: match[2]!,
    line: page.slice(0, match.index).split('\n').length,
  }));
}

/** The `sh` blocks of a page; a `text` or `json` block that follows is what the commands show. */
export function commandBlocks(page: string): readonly CommandBlock[] {
  const blocks = blocksOf(page);
  return blocks.flatMap(({ language, text, line }, index) => {
    if (language !== 'sh') return [];
    const next = blocks[index + 1];
    return [{ line, commands: text, shown: next?.language === 'text' || next?.language === 'json' ? next.text : null }];
  });
}

/**
 * How far shown output differs from real output, or null where it holds. Ids, digests, times and durations may be any;
 * fractions may differ by 5% (CPUs round differently); `…` stands for any text, on a line of its own for any lines.
 */
export function differenceOf(shown: string, real: string): string | null {
  const expected = lines(shown);
  const found = lines(real);
  let at = 0;
  for (let index = 0; index < expected.length; index++) {
    const line = expected[index]!;
    if (line === '…') {
      const next = expected[index + 1];
      if (next === undefined) return null;
      while (at < found.length && !fits(next, found[at]!)) at++;
      continue;
    }
    if (at >= found.length) return `shown, but not printed: ${line}`;
    if (!fits(line, found[at]!)) return `shown:   ${line}\nprinted: ${found[at]}`;
    at++;
  }
  return at < found.length ? `printed, but not shown: ${found[at]}` : null;
}

function lines(text: string): readonly string[] {
  return text
    .split('\n')
    .map((line) =>
      line
        .replace(/\b\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
        .replace(/\b[0-9a-f]{8}-[0-9a-f-]{27}\b/g, '<id>')
        .replace(/\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{12,64}\b/g, '<digest>')
        .replace(/\b\d+(\.\d+)? (ms|s|min)(?=\s|$)/g, '<duration>')
        .replace(/\s+/g, ' ')
        .trim(),
    )
    .filter((line) => line !== '');
}

const number = /-?\d+(?:\.\d+)?(?:e-?\d+)?/g;

function fits(shown: string, real: string): boolean {
  const pattern = shown.split('…').map((part) => part.replace(number, '#').replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  if (!new RegExp(`^${pattern.join('.*')}$`).test(real.replace(number, '#'))) return false;
  // With a gap the numbers have no fixed places.
  if (shown.includes('…')) return true;
  const [a, b] = [shown.match(number) ?? [], real.match(number) ?? []];
  return a.every((text, index) => isNear(text, b[index]!));
}

function isNear(shown: string, real: string): boolean {
  if (shown === real) return true;
  if (!shown.includes('.')) return false;
  // What is almost zero (a parity, a difference of metrics) is noise of the last bits.
  if (Math.abs(Number(shown)) < 1e-4 && Math.abs(Number(real)) < 1e-4) return true;
  return Math.abs(Number(shown) - Number(real)) <= 0.05 * Math.abs(Number(shown));
}
