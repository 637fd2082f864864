import { z } from 'zod';
import { parseOptions } from '../pipelines/define/parse-options.js';

const MIB = 1024 * 1024;
const positive = z.int().min(1);

const limitsSchema = z
  .strictObject({
    /** A larger body is refused with 413. */
    maxBodyBytes: positive.default(16 * MIB),
    /** Bytes of all bodies in memory; what would exceed them is refused with 503. */
    maxBodiesBytes: positive.default(256 * MIB),
    /** Rows of one request; more are refused with 413. */
    maxRows: positive.default(100_000),
    maxConnections: positive.default(10_000),
    /** From the first byte of a request to the last of its headers. */
    headersTimeoutMs: positive.default(10_000),
    /** From the first byte of a request to its last; and how long a client may read nothing. */
    requestTimeoutMs: positive.default(30_000),
    /** How long requests may take to finish after the server was told to stop. */
    drainTimeoutMs: positive.default(10_000),
  })
  .prefault({});

const modelsSchema = z
  .strictObject({
    /** How often the registry is asked whether something changed. */
    pollMs: positive.default(250),
    /** A model whose batch of 32 rows takes longer runs on a thread of its own. */
    workerAboveMs: z.number().min(0).default(0.5),
    /** A model file larger than this is loaded on a thread of its own. */
    workerAboveBytes: z
      .int()
      .min(0)
      .default(4 * MIB),
    /** Versions that stay in memory though no endpoint serves them. */
    idleVersions: z.int().min(0).default(4),
    /** Rows of one run. */
    maxBatchRows: positive.default(1024),
    /** Rows that may wait for one version; more are refused with 503. */
    maxWaitingRows: positive.default(200_000),
  })
  .prefault({});

const schema = z.strictObject({
  host: z.string().min(1).default('127.0.0.1'),
  port: z.int().min(0).max(65_535).default(8080),
  limits: limitsSchema,
  models: modelsSchema,
});

/** What the user may write. */
export type ServerOptions = z.input<typeof schema>;
/** Complete and frozen. */
export type ResolvedServerOptions = Readonly<z.output<typeof schema>>;

/** @throws CONFIG_INVALID - every problem, with dot paths; an unknown key names the nearest known one. */
export function resolveServerOptions(options: ServerOptions): ResolvedServerOptions {
  return parseOptions<ResolvedServerOptions>(schema, options, 'serve');
}
