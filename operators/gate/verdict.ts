import { z } from 'zod';

/** One line of a verdict: a condition, or one value of a per-slice condition. */
const gateLineSchema = z.strictObject({
  /** As the condition is written: `atLeast(auc)`, `perSlice(plan = basic, auc)`. */
  name: z.string(),
  bar: z.number().nullable(),
  /** null where there was nothing to measure. */
  value: z.number().nullable(),
  /** 95%, null where there is none. */
  interval: z.strictObject({ low: z.number(), high: z.number() }).nullable(),
  passed: z.boolean(),
  /** What a person should know: `no-baseline`, row counts, why it is blocked. */
  note: z.string().nullable(),
  /** The code of what blocks besides a missed bar, or null. */
  code: z.enum(['GATE_BASELINE_CONTAMINATED', 'GATE_BASELINE_INCOMPATIBLE', 'GATE_VERSION_REVOKED']).nullable(),
});

/** `verdict.json` of a `verdict` artifact. */
export const verdictSchema = z.strictObject({
  formatVersion: z.literal(1),
  model: z.string(),
  /** Digest of the bundle that was judged. */
  bundle: z.string(),
  passed: z.boolean(),
  gates: z.array(gateLineSchema),
  /** Digest of the bundle that `champion` pointed at, or null: what a promotion expects to find. */
  baseline: z.string().nullable(),
});

export type GateLine = z.output<typeof gateLineSchema>;
export type Verdict = z.output<typeof verdictSchema>;

/** Half of what a stage's summary may take. */
const maxLineBytes = 32 * 1024;

/**
 * A verdict's lines as a summary holds them: what fits, in the verdict's order, those that were missed before all others;
 * `gatesLeftOut` counts the rest, which the verdict artifact has.
 */
export function summarizeGates(gates: readonly GateLine[]): {
  readonly gates: GateLine[];
  readonly gatesLeftOut: number;
} {
  const kept = new Set<GateLine>();
  let bytes = 0;
  for (const line of [...gates.filter((one) => !one.passed), ...gates.filter((one) => one.passed)]) {
    const size = Buffer.byteLength(JSON.stringify(line)) + 1;
    if (bytes + size > maxLineBytes) continue;
    bytes += size;
    kept.add(line);
  }
  return { gates: gates.filter((line) => kept.has(line)), gatesLeftOut: gates.length - kept.size };
}
