import { type ErrorFields, isMillraceError, MillraceError } from '../../pipelines/contracts/errors.js';
import { describeDiskError } from './disk-errors.js';
import type { S3Location } from './s3-location.js';

const networkCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPROTO',
  'ERR_STREAM_PREMATURE_CLOSE',
]);
const certificateCode = /^(CERT_|ERR_TLS_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/;
const unknownKeys = new Set(['InvalidAccessKeyId', 'SignatureDoesNotMatch']);
const oldKeys = new Set(['ExpiredToken', 'InvalidToken', 'TokenRefreshRequired']);
const busy = new Set(['SlowDown', 'Throttling', 'ThrottlingException', 'TooManyRequests', 'RequestLimitExceeded']);
const full = new Set(['QuotaExceeded', 'InsufficientStorage', 'XMinioStorageFull', 'XMinioAdminBucketQuotaExceeded']);

const damagedOnTheWay = new Set(['BadDigest', 'XAmzContentChecksumMismatch', 'XAmzContentSHA256Mismatch']);
const neededRights =
  's3:ListBucket, s3:ListBucketMultipartUploads, s3:GetObject, s3:PutObject and s3:AbortMultipartUpload';

interface S3Fault {
  readonly name: string;
  readonly code: string | undefined;
  readonly status: number | undefined;
  readonly region: unknown;
  /** Whether the answer was one of S3's, with a code of its own. */
  readonly isS3: boolean;
}

function faultOf(error: unknown): S3Fault {
  const { name, code, Code, Region, $metadata } = error as {
    name: string;
    code?: string;
    Code?: string;
    Region?: unknown;
    $metadata?: { httpStatusCode?: number };
  };
  const status = $metadata?.httpStatusCode;
  return { name: Code ?? name, code, status, region: Region, isS3: Code !== undefined };
}

/**
 * What the SDK, the network or the disk threw, in our words. The SDK's own errors hold the access key and what was
 * signed with the secret one: of them only name, status and the number of the request stay as the cause.
 */
export function describeS3Error(error: unknown, location: S3Location): unknown {
  if (isMillraceError(error)) return error;
  if (!(error instanceof Error)) return error;
  const fault = faultOf(error);
  const server = location.endpoint ?? 'the S3 service of Amazon';
  const make = (code: MillraceError['code'], fields: Omit<ErrorFields, 'path' | 'cause'>): MillraceError =>
    new MillraceError(code, { path: location.url, ...fields, cause: quiet(error, fault) });
  if (fault.code !== undefined && certificateCode.test(fault.code)) {
    return make('SERVER_UNREACHABLE', {
      expected: `a certificate that this machine trusts from ${server}`,
      received: fault.code,
      hint: 'Check the endpoint, or name the certificate of its authority in NODE_EXTRA_CA_CERTS.',
    });
  }
  if (fault.name === 'TimeoutError' || (fault.code !== undefined && networkCodes.has(fault.code))) {
    return make('SERVER_UNREACHABLE', {
      expected: `an S3 server that answers at ${server}`,
      received: fault.code ?? 'no answer in time',
      hint: 'Start it, or check the endpoint and the network.',
      retryable: true,
    });
  }
  if (fault.name === 'CredentialsProviderError') {
    return make('STORE_UNREADABLE', {
      expected: 'credentials for S3',
      received: 'none',
      hint: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run where a role is attached.',
    });
  }
  if (error.message === 'Region is missing') {
    return make('CONFIG_INVALID', {
      expected: 'a region',
      received: 'none',
      hint: 'Name the region of the bucket, or set AWS_REGION.',
    });
  }
  if (fault.status === undefined) return describeDiskError(error, location.url);
  const [code, expected, received, hint, kind] = describeAnswer(fault, server);
  return make(code, { expected, received, hint, retryable: kind === 'retryable' });
}

type Answer = readonly [
  code: MillraceError['code'],
  expected: string,
  received: string,
  hint: string,
  kind?: 'retryable',
];

function describeAnswer({ name, status = 0, region, isS3 }: S3Fault, server: string): Answer {
  const isRegion = typeof region === 'string' && /^[a-z0-9-]{1,40}$/.test(region);
  if (name === 'NoSuchBucket') {
    const hint = 'Create it, or check its name and the endpoint.';
    return ['STORE_UNREADABLE', `a bucket that exists at ${server}`, name, hint];
  }
  if (unknownKeys.has(name)) {
    const hint = 'Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile that AWS_PROFILE names.';
    return ['STORE_UNREADABLE', `credentials that are known at ${server}`, name, hint];
  }
  if (oldKeys.has(name)) {
    return ['STORE_UNREADABLE', 'credentials that are still valid', name, 'Get new ones and run again.'];
  }
  if (name === 'RequestTimeTooSkewed') {
    const hint = 'Set the clock of this machine.';
    return ['STORE_UNREADABLE', `a clock within 15 minutes of that of ${server}`, name, hint];
  }
  if (name === 'AuthorizationHeaderMalformed' || name === 'PermanentRedirect' || status === 301) {
    const hint = isRegion ? `Set the region to ${region}.` : 'Set the region that the bucket was made in.';
    return ['STORE_UNREADABLE', 'the region of the bucket', 'another one', hint];
  }
  if (status === 403) {
    const rule = 'credentials that may list the bucket, and read and write below the prefix';
    return ['STORE_UNREADABLE', rule, isS3 ? name : 'HTTP 403', `Grant them ${neededRights}.`];
  }
  if (full.has(name) || status === 507) {
    const hint = 'Free space there or raise the quota, and run again; nothing half-written is visible.';
    return ['DISK_FULL', `room for the artifact at ${server}`, name, hint, 'retryable'];
  }
  if (busy.has(name) || status === 429) {
    const rule = `an S3 server with room for one more request at ${server}`;
    return ['SERVER_BUSY', rule, name, 'Run again later.', 'retryable'];
  }
  if (damagedOnTheWay.has(name)) {
    const hint = 'Check what lies between this machine and the server.';
    return ['SERVER_UNREACHABLE', `bytes that reach ${server} as they were sent`, name, hint, 'retryable'];
  }
  if (status >= 500 && status !== 501) {
    const hint = "Look at the server's log, then run again.";
    return ['SERVER_UNREACHABLE', `an S3 server that answers at ${server}`, `HTTP ${status}`, hint, 'retryable'];
  }
  if (!isS3) {
    const received = `HTTP ${status} in another form than that of S3`;
    return ['SERVER_UNREACHABLE', `an S3 server at ${server}`, received, 'Check the endpoint.'];
  }
  const hint = 'Check bucket, region, endpoint and the rights of the credentials.';
  return ['STORE_UNREADABLE', 'a bucket that can be read and written', `${name}, HTTP ${status}`, hint];
}

function quiet(error: Error, { name, code, status }: S3Fault): Error {
  const { requestId } = (error as { $metadata?: { requestId?: string } }).$metadata ?? {};
  const parts = [
    code ?? name,
    status === undefined ? null : `HTTP ${status}`,
    requestId ? `request ${requestId}` : null,
  ];
  const cause = new Error(parts.filter((part) => part !== null).join(', '));
  cause.name = 'S3Error';
  return cause;
}
