import { setTimeout as delay } from 'node:timers/promises';
import { S3Client } from '@aws-sdk/client-s3';
import { isMillraceError } from '../../pipelines/contracts/errors.js';
import { describeS3Error } from './s3-errors.js';
import type { S3Location } from './s3-location.js';

const connectTimeoutMs = 5_000;
/** How long a connection may carry nothing. */
const idleTimeoutMs = 60_000;
const maxSockets = 64;
/** No try begins later: a server that is silent is not waited for again and again. */
const latestTryMs = 90_000;
/** Waits before the tries after the first one; each is shortened by up to a half at random. */
const waitsMs = [250, 500, 1_000, 2_000, 4_000, 8_000];

/** @param maxAttempts - of one request, by the SDK itself. */
export function createS3Client({ endpoint, region }: S3Location, maxAttempts: number): S3Client {
  // The version is pinned and runs on every Node that Millrace does; its notice about later ones is none of a run's.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
  return new S3Client({
    ...(region === null ? {} : { region }),
    ...(endpoint === null ? {} : { endpoint, forcePathStyle: true }),
    maxAttempts,
    // What is sent and received is checked by its SHA-256, which names it.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: connectTimeoutMs,
      socketTimeout: idleTimeoutMs,
      httpAgent: { keepAlive: true, maxSockets },
      httpsAgent: { keepAlive: true, maxSockets },
    },
  });
}

/**
 * Repeats a task from its beginning while the server cannot be reached or is busy, for up to about 16 seconds of waiting:
 * a restart of the server is bridged. Whole tasks, because the SDK repeats no request whose body is on its way.
 */
export async function withRetries<T>(location: S3Location, task: () => Promise<T>): Promise<T> {
  const beganAt = performance.now();
  for (const waitMs of [...waitsMs, null]) {
    try {
      return await task();
    } catch (error) {
      const described = describeS3Error(error, location);
      const isLate = performance.now() - beganAt > latestTryMs;
      if (waitMs === null || isLate || !isTransient(described)) throw described;
      await delay(waitMs * (1 - Math.random() / 2));
    }
  }
  throw new RangeError('unreachable');
}

function isTransient(error: unknown): boolean {
  if (!isMillraceError(error) || !error.retryable) return false;
  return error.code === 'SERVER_UNREACHABLE' || error.code === 'SERVER_BUSY';
}
