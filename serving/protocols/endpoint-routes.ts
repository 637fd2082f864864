import type { FastifyInstance } from 'fastify';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import { answersFromOutputs } from '../../pipelines/signature/answers.js';
import { elementsFromRows } from '../../pipelines/signature/elements.js';
import type { Answerer } from '../http/ask-routes.js';
import { parseJson } from '../http/body.js';
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

/** What endpoints there are: `GET /endpoints`, `GET /endpoints/NAME` (with the signature). */
export function addEndpointRoutes(app: FastifyInstance, follower: RegistryFollower): void {
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
}

/**
 * The plain way to ask an endpoint: rows of named features in, one answer a row out.
 *
 * `POST /endpoints/NAME/predict` `{"rows": [{…}]}` → `{"model", "version", "predictions": [{…}]}`
 */
export function predictAnswerer(follower: RegistryFollower, maxRows: number): Answerer {
  return ({ name, body, exchange }) =>
    follower.withEndpoint(name, (version) => {
      exchange.asked = { route: 'predict', endpoint: name, served: version };
      const rows = rowsOf(parseJson(body));
      if (Array.isArray(rows)) checkRowCount(rows.length, 'rows', maxRows);
      const elements = elementsFromRows(version.signature, rows, 'rows');
      return version.run(elements).then((outputs) => {
        const predictions = answersFromOutputs(version.signature, outputs, elements.rows);
        const { model } = version;
        return { body: JSON.stringify({ model, version: version.version, predictions }), headerLength: null };
      });
    });
}
