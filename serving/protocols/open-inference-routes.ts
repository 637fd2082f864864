import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { isMillraceError } from '../../pipelines/contracts/errors.js';
import { bodyOf } from '../http/body.js';
import type { LoadedVersion } from '../models/loaded-version.js';
import type { RegistryFollower } from '../models/registry-follower.js';
import { parseInferRequest } from './infer-request.js';
import { writeInferResponse } from './infer-response.js';
import { describeTensor } from './tensor-datatypes.js';

interface OpenInferenceOptions {
  readonly maxRows: number;
  readonly isReady: () => boolean;
}

type ModelRequest = FastifyRequest<{ Params: { name: string; version?: string } }>;

const HEADER_LENGTH = 'inference-header-content-length';

/**
 * The Open Inference Protocol, version 2, over REST. A model is an endpoint or, where there is none of this name, a
 * registered model (its champion); `/versions/V` is a number, an alias or a digest and is loaded when it is asked for.
 *
 * @see kserve/open-inference-protocol, specification/protocol/inference_rest.md
 */
export function addOpenInferenceRoutes(
  app: FastifyInstance,
  follower: RegistryFollower,
  options: OpenInferenceOptions,
): void {
  app.get('/v2', () => ({ name: 'millrace', version: '2', extensions: ['binary_tensor_data'] }));
  app.get('/v2/health/live', () => ({ live: true }));
  app.get('/v2/health/ready', (_request, reply) => {
    const ready = options.isReady();
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

  const infer = async (request: ModelRequest, reply: FastifyReply): Promise<unknown> => {
    const body = bodyOf(request);
    const { name, version: selector } = request.params;
    const { body: answer, headerLength } = await follower.withModel(name, selector ?? null, async (version) => {
      const parsed = parseInferRequest(body, headerLengthOf(request), version.signature, options.maxRows);
      return writeInferResponse(servedAs(name, version), parsed, await version.run(parsed.elements));
    });
    if (headerLength === null) return reply.type('application/json').send(answer);
    return reply.type('application/octet-stream').header(HEADER_LENGTH, String(headerLength)).send(answer);
  };

  for (const path of ['/v2/models/:name', '/v2/models/:name/versions/:version']) {
    app.get(path, (request) => metadata(request as ModelRequest));
    app.get(`${path}/ready`, (request, reply) => ready(request as ModelRequest, reply));
    app.post(`${path}/infer`, (request, reply) => infer(request as ModelRequest, reply));
  }
}

function headerLengthOf(request: ModelRequest): string | undefined {
  const value = request.headers[HEADER_LENGTH];
  return Array.isArray(value) ? value[0] : value;
}

function servedAs(name: string, { version, signature }: LoadedVersion): Parameters<typeof writeInferResponse>[0] {
  return { name, version, signature };
}
