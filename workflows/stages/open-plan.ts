import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseOptions } from '../../pipelines/define/parse-options.js';
import { type Plan, planSchema } from '../../pipelines/plan/schema.js';
import type { Services } from '../services.js';

/** A plan out of its artifact. @throws PLAN_INVALID - made by another version of Millrace. ARTIFACT_MISSING, ARTIFACT_CORRUPT */
export async function openPlan(services: Pick<Services, 'artifacts'>, digest: string): Promise<Plan> {
  return parsePlan(await planText(services, digest));
}

/** Instance number `index` of a template, whose text holds "$index" where the number belongs. */
export async function openTemplate(
  services: Pick<Services, 'artifacts'>,
  digest: string,
  index: number,
): Promise<Plan> {
  return parsePlan((await planText(services, digest)).replaceAll('"$index"', String(index)));
}

async function planText(services: Pick<Services, 'artifacts'>, digest: string): Promise<string> {
  const artifact = await services.artifacts.open(digest);
  return readFile(join(artifact.directory, 'plan.json'), 'utf8');
}

function parsePlan(text: string): Plan {
  return parseOptions(planSchema, JSON.parse(text), 'plan', 'PLAN_INVALID');
}
