import { z } from 'zod';
import type { Initializer } from '../graph.js';

const finite = z.number();

/** How a user's initializer is checked. */
export const initializerSchema: z.ZodType<Initializer> = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('zeros') }),
  z.strictObject({ kind: z.literal('ones') }),
  z.strictObject({ kind: z.literal('constant'), value: finite }),
  z.strictObject({ kind: z.literal('fanInUniform'), axis: z.int().min(0), gain: finite }),
  z.strictObject({ kind: z.literal('fanInUniformOf'), of: z.string(), axis: z.int().min(0), gain: finite }),
  z.strictObject({ kind: z.literal('glorotUniform'), gain: finite }),
  z.strictObject({ kind: z.literal('normal'), standardDeviation: z.number().min(0) }),
]);
