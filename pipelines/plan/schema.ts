import { z } from 'zod';
import type { Json } from '../contracts/json.js';

/** Options are checked by their operator; walking every graph in them here would cost each run tens of milliseconds. */
const json = z.custom<Json>((value) => value !== undefined, 'a JSON value');

const reference = z.strictObject({ stage: z.string(), output: z.string() });

export const planStageSchema = z.strictObject({
  /** Unique in the plan: a key of what `build` returned, or `<first consumer>/<input>`. Enters neither keys nor seeds. */
  id: z.string(),
  operator: z.string(),
  class: z.enum(['pure', 'reads', 'acts']),
  inputs: z.record(z.string(), reference),
  /** Resolved options of the operator. */
  options: json,
  /** True where consumers hold this stage inside their own options: it never runs by itself. */
  fused: z.boolean(),
  /** Stages that must have ended well before this one though it takes nothing from them. */
  after: z.array(z.string()),
});

/** A frozen graph of stages, listed so that every stage comes after what it needs. */
export const planSchema = z.strictObject({
  formatVersion: z.literal(1),
  pipeline: z.string(),
  params: json,
  stages: z.array(planStageSchema),
});

export type PlanStage = z.output<typeof planStageSchema>;
export type Plan = z.output<typeof planSchema>;
