// biome-ignore-all lint/suspicious/noTemplateCurlyInString: what stands in the user's own text.
import { MillraceError } from '../../pipelines/contracts/errors.js';

/** Characters of a line that are shown before and after the place. */
const shownBefore = 60;
const shownAfter = 40;

/**
 * The same error with the line that it speaks of in `details.excerpt`, and a caret below its column: a stage without a
 * name of its own is hard to find by `stage:line:column` alone. Bound values and datasets stand as `${…}`.
 */
export function withExcerpt(error: MillraceError, text: string): MillraceError {
  const place = /:(\d+)(?::(\d+))?$/.exec(error.path);
  const line = place === null ? undefined : text.split('\n')[Number(place[1]) - 1];
  if (line === undefined || error.details['excerpt'] !== undefined) return error;
  return new MillraceError(error.code, {
    path: error.path,
    expected: error.expected,
    received: error.received,
    retryable: error.retryable,
    details: { ...error.details, excerpt: excerptOf(line, place?.[2] === undefined ? null : Number(place[2]) - 1) },
    ...(error.hint === null ? {} : { hint: error.hint }),
    cause: error.cause ?? error,
  });
}

function excerptOf(line: string, column: number | null): string {
  const whole = asWritten(line);
  if (column === null) return `  ${whole.slice(0, shownBefore + shownAfter).trim()}`;
  const before = asWritten(line.slice(0, column)).replaceAll('\t', ' ').trimStart();
  const from = before.length > shownBefore ? `…${before.slice(1 - shownBefore)}` : before;
  const after = asWritten(line.slice(column)).replaceAll('\t', ' ').trimEnd();
  const to = after.length > shownAfter ? `${after.slice(0, shownAfter - 1)}…` : after;
  return `  ${from}${to}\n  ${' '.repeat(from.length)}^`;
}

/** Placeholders as the user wrote them. */
function asWritten(text: string): string {
  return text.replace(/\{\{\d+\}\}|"r\d+_"|(?<![\w$])\$\d+/g, '${…}');
}
