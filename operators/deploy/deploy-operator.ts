import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { defineOperator } from '../../pipelines/contracts/operator.js';
import { canonicalJson } from '../../pipelines/plan/digest.js';

const options = z.strictObject({ model: z.string(), alias: z.string(), endpoint: z.string() });

/**
 * Binds an endpoint to an alias of a model. The endpoint server follows the alias, so that a late resume moves nothing back.
 */
export const deployOperator = defineOperator<z.output<typeof options>>({
  name: 'deploy',
  class: 'acts',
  options,
  outputs: { deployment: 'value' },
  weight: 'light',
  engines: [],
  async run(context, { options: binding }) {
    const { changed } = await context.registry.bindEndpoint({ run: context.run, stage: context.stage }, binding, {
      actor: `run:${context.run}/${context.stage}`,
      reason: 'deployed by its pipeline',
      evidence: null,
    });
    const writer = await context.artifacts.create('value');
    await writeFile(join(writer.directory, 'value.json'), canonicalJson(binding));
    const artifact = await writer.commit(binding);
    return {
      status: changed ? 'succeeded' : 'unchanged',
      outputs: [{ name: 'deployment', digest: artifact.digest }],
      summary: binding,
    };
  },
});
