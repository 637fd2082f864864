import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { isMillraceError } from '../../pipelines/contracts/errors.js';
import { type Answerer, HEADER_LENGTH } from '../http/ask-routes.js';
import type { RegistryFollower } from '../models/registry-follower.js';
import { parseInferRequest } from './infer-request.js';
import { writeInferResponse } from './infer-response.js';
import { describeTensor } from './tensor-datatypes.js';

type ModelRequest = FastifyRequest<{ Params: { name: string; version?: string } }>;

/**
 * The Open Inference Protocol, version 2, over REST. A model is an endpoint or, where there is none of this name, a
 * registered model (its champion); `/versions/V` is a number, an alias or a digest and is loaded when it is asked for.
 *
 * @see kserve/open-inference-protocol, specification/protocol/inference_rest.md
 */
export function addOpenInferenceRoutes(app: FastifyInstance, follower: RegistryFollower, isReady: () => boolean): void {
  app.get('/v2', () => ({ name: 'millrace', version: '2', extensions: ['binary_tensor_data'] }));
  app.get('/v2/health/live', () => ({ live: true }));
  app.get('/v2/health/ready', (_request, reply) => {
    const ready = isReady();
    // The specification calls the field `live`, its clients look at the status.
    return reply.code(ready ? 200 : 503).send({ live: true, ready });
  });

  const metadata = async ({ params }: ModelRequest): Promise<unknown> => {
    const versions = await follower.versions(params.name).catch(() => []);
    return follower.withModel(params.name, params.version ?? null, async (version) => ({
      name: params.name,
      versions: versions.filter(({ state }) => state === 'registered').map((one) => String(one.version)),
      platform: 'onnxruntime_onnx',
      inputs: version.signature.inputs.map(({ column, dtype }) =>
        describeTensor({ name: column.name, dtype, shape: [null] }),
      ),
      outputs: version.signature.outputs.map(describeTensor),
    }));
  };

  const ready = async ({ params }: ModelRequest, reply: FastifyReply): Promise<unknown> => {
    try {
      await follower.withModel(params.name, params.version ?? null, async () => {});
      return { name: params.name, ready: true };
    } catch (error) {
      if (!isMillraceError(error) || error.code !== 'ENDPOINT_UNAVAILABLE') throw error;
      return reply.code(503).send({ name: params.name, ready: false, error: error.message });
    }
  };

  for (const path of ['/v2/models/:name', '/v2/models/:name/versions/:version']) {
    app.get(path, (request) => metadata(request as ModelRequest));
    app.get(`${path}/ready`, (request, reply) => ready(request as ModelRequest, reply));
  }
}

/** `POST /v2/models/NAME[/versions/V]/infer` */
export function inferAnswerer(follower: RegistryFollower, maxRows: number): Answerer {
  return ({ name, selector, headers, body, exchange }) =>
    follower.withModel(name, selector, (version) => {
      const endpoint = selector === null && follower.endpoints.has(name) ? name : '';
      exchange.asked = { route: 'infer', endpoint, served: version };
      const length = headers[HEADER_LENGTH];
      const parsed = parseInferRequest(body, Array.isArray(length) ? length[0] : length, version.signature, maxRows);
      const served = { name, version: version.version, signature: version.signature };
      return version.run(parsed.elements).then((outputs) => writeInferResponse(served, parsed, outputs));
    });
}
