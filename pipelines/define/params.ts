import { z } from 'zod';
import { MillraceError } from '../contracts/errors.js';
import { describeValue } from './describe-value.js';
import { parseOptions } from './parse-options.js';
import { definitionOf, writtenSchema } from './schema-walk.js';

/**
 * Turns the texts of `--param name=value` into values by the schema's leaf types: numbers, true and false, bigints,
 * JSON for arrays and objects; `null` where the param may be null. What does not read as its type stays text, so that
 * the schema words the error.
 */
export function paramsFromText(schema: z.ZodObject, texts: Readonly<Record<string, string>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(texts).map(([name, text]) => {
      const leaf = Object.hasOwn(schema.shape, name) ? (schema.shape[name] as z.ZodType) : undefined;
      return [name, leaf === undefined ? text : valueFromText(leaf, text)];
    }),
  );
}

function valueFromText(schema: z.ZodType, text: string): unknown {
  const leaf = writtenSchema(schema);
  const definition = definitionOf(leaf);
  if (text === 'null' && definition.type !== 'string' && schema.safeParse(null).success) return null;
  switch (definition.type) {
    case 'number':
      return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text;
    case 'bigint':
      return /^-?\d+$/.test(text) ? BigInt(text) : text;
    case 'literal':
      return (definition.values ?? []).find((value) => String(value) === text) ?? text;
    case 'enum':
      return Object.values(definition.entries ?? {}).find((value) => String(value) === text) ?? text;
    case 'union': {
      const values = (definition.options ?? []).map((option) => [option, valueFromText(option, text)] as const);
      return (values.find(([option, value]) => option.safeParse(value).success) ?? values[0])?.[1] ?? text;
    }
    case 'array':
    case 'object':
    case 'record':
    case 'tuple':
      try {
        return JSON.parse(text);
      } catch {
        return text;
      }
    default:
      return text;
  }
}

/**
 * Checks params against the pipeline's schema, its own checks with it; unknown ones are errors.
 *
 * @throws PARAMS_INVALID - every problem at once.
 */
export function parseParams<P extends z.ZodObject>(schema: P, values: Readonly<Record<string, unknown>>): z.output<P> {
  checkParamsSchema(schema);
  const strict = schema.strict() as unknown as z.ZodType<z.output<P>>;
  try {
    return parseOptions(strict, values, 'params', 'PARAMS_INVALID');
  } catch (error) {
    if (!(error instanceof z.core.$ZodAsyncError)) throw error;
    throw new MillraceError('PARAMS_INVALID', {
      path: 'definePipeline.params',
      expected: 'checks that answer at once',
      received: 'an asynchronous one',
      cause: error,
    });
  }
}

/** @throws PARAMS_INVALID - anything but a zod object. */
export function checkParamsSchema(schema: unknown): void {
  if (schema instanceof z.ZodObject) return;
  throw new MillraceError('PARAMS_INVALID', {
    path: 'definePipeline.params',
    expected: 'z.object({ … })',
    received: schema instanceof z.ZodType ? `z.${definitionOf(schema).type}(…)` : describeValue(schema),
  });
}
