import { MillraceError, throwProblems } from '../../pipelines/contracts/errors.js';

/** Where a store lies, as it is written down. */
export interface S3Address {
  /** `s3://bucket` or `s3://bucket/prefix`. */
  readonly url: string;
  /** http or https address of a server that is not Amazon's. */
  readonly endpoint?: string;
  /** Default: AWS_REGION or the profile's; us-east-1 where an endpoint is given. */
  readonly region?: string;
}

/** An address that has been checked. */
export interface S3Location {
  /** Without a slash at its end. */
  readonly url: string;
  readonly bucket: string;
  /** '' or a text that ends in '/'. */
  readonly prefix: string;
  readonly endpoint: string | null;
  readonly region: string | null;
}

const bucketName = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const prefixName = /^[A-Za-z0-9!_.*'()=-]+$/;
const regionName = /^[a-z0-9-]{1,40}$/;

/** @throws CONFIG_INVALID - with every problem. */
export function parseS3Address({ url, endpoint, region }: S3Address): S3Location {
  const problems: MillraceError[] = [];
  const [bucket = '', ...names] = (/^s3:\/\/(.*)$/.exec(url)?.[1] ?? '').replace(/\/$/, '').split('/');
  const isPrefix = names.every((name) => prefixName.test(name) && name !== '.' && name !== '..');
  if (!bucketName.test(bucket) || !isPrefix || url.length > 512) {
    problems.push(
      refusal(
        'url',
        'a bucket with a prefix, such as s3://team-artifacts/millrace',
        shown(url),
        'A bucket has 3 to 63 small letters, digits, dots and dashes; names of the prefix have no spaces and are not . or ..',
      ),
    );
  }
  const server = endpoint === undefined ? null : parseEndpoint(endpoint, problems);
  if (region !== undefined && !regionName.test(region)) {
    problems.push(refusal('region', 'the name of a region, such as eu-central-1', shown(region), 'Correct it'));
  }
  throwProblems(problems);
  return {
    url: ['s3:/', bucket, ...names].join('/'),
    bucket,
    prefix: names.map((name) => `${name}/`).join(''),
    endpoint: server,
    region: region ?? (server === null ? null : 'us-east-1'),
  };
}

function parseEndpoint(endpoint: string, problems: MillraceError[]): string {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : null;
  const isWeb = url?.protocol === 'http:' || url?.protocol === 'https:';
  if (url !== null && (url.username !== '' || url.password !== '')) {
    problems.push(
      refusal(
        'endpoint',
        'an address without credentials',
        `one of ${url.host} with credentials in it`,
        'Put them into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
      ),
    );
  } else if (url === null || !isWeb || url.search !== '' || url.hash !== '') {
    problems.push(
      refusal(
        'endpoint',
        'an http or https address, such as http://127.0.0.1:9000',
        shown(endpoint),
        "Remove it to use Amazon's",
      ),
    );
  }
  return endpoint.replace(/\/+$/, '');
}

function refusal(option: string, expected: string, received: string, advice: string): MillraceError {
  return new MillraceError('CONFIG_INVALID', {
    path: `artifacts.${option}`,
    expected,
    received,
    hint: `${advice}.`,
  });
}

function shown(text: string): string {
  return `'${text.length > 80 ? `${text.slice(0, 80)}…` : text}'`;
}
