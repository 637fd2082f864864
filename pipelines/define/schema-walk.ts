import type { z } from 'zod';

/** What zod 4 keeps of a schema: the members that are walked here, by its `type`. */
export interface SchemaDefinition {
  readonly type: string;
  readonly innerType?: z.ZodType;
  readonly in?: z.ZodType;
  readonly out?: z.ZodType;
  readonly getter?: () => z.ZodType;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly element?: z.ZodType;
  readonly items?: readonly z.ZodType[];
  readonly valueType?: z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly discriminator?: string;
  readonly left?: z.ZodType;
  readonly right?: z.ZodType;
  readonly values?: readonly unknown[];
  readonly entries?: Readonly<Record<string, unknown>>;
}

export function definitionOf(schema: z.ZodType): SchemaDefinition {
  return (schema as unknown as { readonly _zod: { readonly def: SchemaDefinition } })._zod.def;
}

/** The schema below `default`, `optional`, `pipe` and their like: what the written value has to be. */
export function writtenSchema(schema: z.ZodType): z.ZodType {
  const { type, innerType, in: input, out, getter } = definitionOf(schema);
  if (innerType !== undefined) return writtenSchema(innerType);
  if (type === 'lazy' && getter !== undefined) return writtenSchema(getter());
  if (type !== 'pipe' || input === undefined) return schema;
  const first = writtenSchema(input);
  // z.preprocess: anything may be written, and what comes out of the function is described by what follows.
  return definitionOf(first).type === 'transform' && out !== undefined ? writtenSchema(out) : first;
}

/** The forms that a schema may have where `path` leads into `value`: of a union those whose discriminator fits. */
export function schemasAt(schema: z.ZodType, value: unknown, path: readonly PropertyKey[]): readonly z.ZodType[] {
  const written = writtenSchema(schema);
  const definition = definitionOf(written);
  if (definition.options !== undefined) {
    return fittingOptions(definition, value).flatMap((option) => schemasAt(option, value, path));
  }
  if (definition.left !== undefined && definition.right !== undefined) {
    return [definition.left, definition.right].flatMap((side) => schemasAt(side, value, path));
  }
  const [key, ...rest] = path;
  if (key === undefined) return [written];
  const next =
    definition.shape?.[String(key)] ??
    definition.items?.[Number(key)] ??
    (definition.shape === undefined ? (definition.element ?? definition.valueType) : undefined);
  return next === undefined ? [] : schemasAt(next, memberOf(value, key), rest);
}

function fittingOptions({ options = [], discriminator }: SchemaDefinition, value: unknown): readonly z.ZodType[] {
  if (discriminator === undefined) return options;
  const given = memberOf(value, discriminator);
  const fitting = options.filter((option) => discriminatorValues(option, discriminator).includes(given));
  return fitting.length > 0 ? fitting : options;
}

/** The values of an option's discriminator: of a literal or an enum. */
export function discriminatorValues(option: z.ZodType, discriminator: string): readonly unknown[] {
  const member = definitionOf(writtenSchema(option)).shape?.[discriminator];
  if (member === undefined) return [];
  const { values, entries } = definitionOf(writtenSchema(member));
  return values ?? Object.values(entries ?? {});
}

export function memberOf(value: unknown, key: PropertyKey): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined;
}
