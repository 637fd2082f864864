import type { FastifyInstance } from 'fastify';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import { answersFromOutputs } from '../../pipelines/signature/answers.js';
import { elementsFromRows } from '../../pipelines/signature/elements.js';
import { bodyOf, parseJson } from '../http/body.js';
import type { EndpointState, RegistryFollower } from '../models/registry-follower.js';
import { checkRowCount } from './row-count.js';

/** A request without parameters in its path costs less to type once than at each route. */
interface Named {
  Params: { name: string };
}

function rowsOf(body: unknown): unknown {
  if (
    typeof body === 'object' &&
    body !== null &&
    !Array.isArray(body) &&
    Object.keys(body).length === 1 &&
    'rows' in body
  ) {
    return body.rows;
  }
  throw new MillraceError('REQUEST_INVALID', {
    path: 'body',
    expected: 'an object with the one key "rows"',
    received: 'something else',
    hint: 'Send {"rows": [{"<feature>": <value>, …}, …]}.',
  });
}

function describe({ binding, current, problem }: EndpointState): Record<string, unknown> {
  return {
    endpoint: binding.endpoint,
    model: binding.model,
    alias: binding.alias,
    version: current?.version ?? null,
    bundle: current?.bundle ?? null,
    problem,
  };
}

/**
 * The plain way to ask an endpoint: rows of named features in, one answer a row out.
 *
 * `POST /endpoints/NAME/predict` `{"rows": [{…}]}` → `{"model", "version", "predictions": [{…}]}`;
 * `GET /endpoints`, `GET /endpoints/NAME` (with the signature).
 */
export function addEndpointRoutes(app: FastifyInstance, follower: RegistryFollower, maxRows: number): void {
  app.get('/endpoints', () => ({ endpoints: [...follower.endpoints.values()].map(describe) }));

  app.get<Named>('/endpoints/:name', ({ params }) => {
    const state = follower.endpoint(params.name);
    const { current } = state;
    if (current === null) return describe(state);
    const { task, inputs, classes, labels, threshold } = current.signature;
    return {
      ...describe(state),
      place: current.place,
      batchMs: current.batchMs,
      task,
      inputs,
      labels,
      classes,
      threshold,
    };
  });

  app.post<Named>('/endpoints/:name/predict', async (request, reply) => {
    const rows = rowsOf(parseJson(bodyOf(request)));
    if (Array.isArray(rows)) checkRowCount(rows.length, 'rows', maxRows);
    const answer = await follower.withEndpoint(request.params.name, async (version) => {
      const elements = elementsFromRows(version.signature, rows, 'rows');
      const outputs = await version.run(elements);
      const predictions = answersFromOutputs(version.signature, outputs, elements.rows);
      return JSON.stringify({ model: version.model, version: version.version, predictions });
    });
    return reply.type('application/json').send(answer);
  });
}
