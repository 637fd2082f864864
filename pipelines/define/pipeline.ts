import { z } from 'zod';
import { MillraceError } from '../contracts/errors.js';
import { checkName } from './names.js';
import type { Stage } from './stage-values.js';

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
 * @throws NAME_INVALID, PIPELINE_INVALID
 */
export function definePipeline<S extends Stages, P extends z.ZodObject = z.ZodObject<Record<never, never>>>(definition: {
  readonly name: string;
  readonly params?: P;
  readonly build: (context: { readonly params: z.output<P> }) => S;
}): Pipeline<P, S> {
  const name = checkName(definition?.name, 'definePipeline.name');
  if (typeof definition.build !== 'function') {
    throw new MillraceError('PIPELINE_INVALID', { path: 'definePipeline.build', expected: 'a function', received: `a ${typeof definition.build}` });
  }
  const params = definition.params ?? (z.object({}) as unknown as P);
  return Object.freeze({ kind: 'pipeline' as const, name, params, build: definition.build });
}
