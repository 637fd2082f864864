import { z } from 'zod';
import { checkName } from './names.js';
import { checkParamsSchema } from './params.js';
import { parseOptions } from './parse-options.js';
import type { Stage } from './stage-values.js';

const schema = z.strictObject({
  name: z.unknown(),
  params: z.unknown().optional(),
  build: z.custom<object>((value) => typeof value === 'function', { error: 'a function' }),
});

/** What `build` returns: its keys are the stages' ids. */
export type Stages = Readonly<Record<string, Stage>>;

/** A pipeline: a pure value. `build` runs when a plan is compiled, never while data is processed. */
export interface Pipeline<P extends z.ZodObject = z.ZodObject, S extends Stages = Stages> {
  readonly kind: 'pipeline';
  readonly name: string;
  readonly params: P;
  readonly build: (context: { readonly params: z.output<P> }) => S;
}

/**
 * Defines a pipeline. Pure: no files, no clock, no random numbers in `build`; `millrace check` compiles twice and compares.
 *
 * @throws NAME_INVALID, PIPELINE_INVALID, PARAMS_INVALID
 */
export function definePipeline<
  S extends Stages,
  P extends z.ZodObject = z.ZodObject<Record<never, never>>,
>(definition: {
  readonly name: string;
  readonly params?: P;
  readonly build: (context: { readonly params: z.output<P> }) => S;
}): Pipeline<P, S> {
  const name = checkName(definition?.name, 'definePipeline.name');
  parseOptions(schema, definition, 'definePipeline', 'PIPELINE_INVALID');
  const params = definition.params ?? (z.object({}) as unknown as P);
  checkParamsSchema(params);
  return Object.freeze({ kind: 'pipeline' as const, name, params, build: definition.build });
}
