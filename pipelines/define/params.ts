import { z } from 'zod';
import { MillraceError } from '../contracts/errors.js';
import { parseOptions } from './parse-options.js';

interface Definition {
  readonly type: string;
  readonly innerType?: z.ZodType;
  readonly in?: z.ZodType;
}

function leafOf(schema: z.ZodType): string {
  const definition = (schema as unknown as { _zod: { def: Definition } })._zod.def;
  if (['default', 'prefault', 'optional', 'nullable', 'readonly', 'catch', 'nonoptional'].includes(definition.type) && definition.innerType) return leafOf(definition.innerType);
  if (definition.type === 'pipe' && definition.in) return leafOf(definition.in);
  return definition.type;
}

/**
 * Turns the texts of `--param name=value` into values by the schema's leaf types: numbers, true and false, bigints,
 * JSON for arrays and objects. What does not read as its type stays text, so that the schema words the error.
 */
export function paramsFromText(schema: z.ZodObject, texts: Readonly<Record<string, string>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(texts).map(([name, text]) => {
      const leaf = schema.shape[name];
      return [name, leaf === undefined ? text : valueFromText(leafOf(leaf as z.ZodType), text)];
    }),
  );
}

function valueFromText(leaf: string, text: string): unknown {
  switch (leaf) {
    case 'number':
    case 'int':
      return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text;
    case 'bigint':
      return /^-?\d+$/.test(text) ? BigInt(text) : text;
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

/** Checks params against the pipeline's schema; unknown ones are errors. @throws PARAMS_INVALID */
export function parseParams<P extends z.ZodObject>(schema: P, values: Readonly<Record<string, unknown>>): z.output<P> {
  if (!(schema instanceof z.ZodObject)) {
    throw new MillraceError('PARAMS_INVALID', { path: 'definePipeline.params', expected: 'z.object({ … })', received: 'another schema' });
  }
  return parseOptions(z.strictObject(schema.shape) as unknown as z.ZodType<z.output<P>>, values, 'params', 'PARAMS_INVALID');
}
