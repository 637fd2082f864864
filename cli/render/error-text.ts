import type { SerializedError } from '../../pipelines/contracts/errors.js';

/** An error for people: its message, and below it the line of SQL that it speaks of, with a caret; every problem in turn. */
export function errorText(error: SerializedError): string {
  if (error.problems.length > 1) return error.problems.map(errorText).join('\n');
  const excerpt = error.details['excerpt'];
  return typeof excerpt === 'string' ? `${error.message}\n${excerpt}` : error.message;
}
