import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import { createS3Client, withRetries } from './s3-client.js';
import { describeS3Error } from './s3-errors.js';
import type { S3Location } from './s3-location.js';

/** Size of a part, and of the objects that go up in parts: held in memory, four at a time. */
export const partBytes = 8 * 1024 * 1024;
const maxParts = 10_000;
const parallelParts = 4;
const mebibyte = 1024 * 1024;

/** What a bucket says of an object. */
export interface S3ObjectState {
  readonly bytes: number;
  /** Of the whole object, as the server computed it; null where it did so for parts alone. */
  readonly sha256: string | null;
}

/** The objects below a prefix. Every request is tried again while the server is away, and its errors are in our words. */
export class S3Bucket {
  readonly location: S3Location;
  readonly #client: S3Client;
  /** Of uploads in parts, where one part that fails would cost all the others. */
  readonly #patient: S3Client;

  private constructor(location: S3Location) {
    this.location = location;
    this.#client = createS3Client(location, 1);
    this.#patient = createS3Client(location, 10);
  }

  /** Asks the bucket once. @throws STORE_UNREADABLE, SERVER_UNREACHABLE, CONFIG_INVALID */
  static async open(location: S3Location): Promise<S3Bucket> {
    const bucket = new S3Bucket(location);
    const { url, prefix } = location;
    try {
      const answer = await bucket.#client.send(
        new ListObjectsV2Command({ Bucket: location.bucket, Prefix: prefix, MaxKeys: 1 }),
      );
      if (answer.Name === location.bucket) return bucket;
    } catch (error) {
      throw describeS3Error(error, location);
    }
    throw new MillraceError('SERVER_UNREACHABLE', {
      path: url,
      expected: `an S3 server at ${location.endpoint ?? 'the S3 service of Amazon'}`,
      received: 'an answer of another kind',
      hint: 'Check the endpoint.',
    });
  }

  /** @returns null where there is none. */
  head(key: string): Promise<S3ObjectState | null> {
    return this.#orNull(async () => {
      const { ContentLength, ChecksumSHA256, ChecksumType } = await this.#client.send(
        new HeadObjectCommand({ ...this.#object(key), ChecksumMode: 'ENABLED' }),
      );
      return { bytes: ContentLength ?? 0, sha256: wholeChecksum(ChecksumSHA256, ChecksumType) };
    });
  }

  /**
   * Reads an object by `consume`, which may be called again from the beginning.
   *
   * @returns null where there is none.
   */
  read<T>(key: string, consume: (body: AsyncIterable<Uint8Array>, bytes: number) => Promise<T>): Promise<T | null> {
    return this.#orNull(async () => {
      const { Body, ContentLength } = await this.#client.send(new GetObjectCommand(this.#object(key)));
      const body = Body as Readable;
      try {
        return await consume(body, ContentLength ?? 0);
      } finally {
        body.destroy();
      }
    });
  }

  /**
   * Writes a small object; the server checks its bytes against the SHA-256.
   *
   * @param mode - 'new': only where there is none of this key.
   * @returns 'taken' where a new one was asked for and one is there.
   */
  put(key: string, bytes: Buffer, sha256: string, mode: 'new' | 'replace'): Promise<'written' | 'taken'> {
    return withRetries(this.location, async () => {
      try {
        await this.#client.send(
          new PutObjectCommand({
            ...this.#object(key),
            Body: bytes,
            ChecksumSHA256: Buffer.from(sha256, 'hex').toString('base64'),
            ...(mode === 'new' ? { IfNoneMatch: '*' } : {}),
          }),
        );
        return 'written';
      } catch (error) {
        if (statusOf(error) === 412) return 'taken';
        // Another conditional put of this key is under way: the next try finds it or writes it.
        if ((error as Error).name === 'ConditionalRequestConflict') throw this.#conflict();
        throw error;
      }
    });
  }

  /** Writes a large object in parts, whose SHA-256 the server checks; a try that fails leaves no parts where it can. */
  upload(
    key: string,
    bytes: number,
    open: () => AsyncIterable<Uint8Array>,
    onProgress: (sentBytes: number) => void,
  ): Promise<void> {
    const partSize = Math.max(partBytes, Math.ceil(bytes / maxParts / mebibyte) * mebibyte);
    return withRetries(this.location, async () => {
      const upload = new Upload({
        client: this.#patient,
        params: {
          ...this.#object(key),
          Body: Readable.from(open(), { objectMode: false }),
          ContentLength: bytes,
          ChecksumAlgorithm: 'SHA256',
        },
        partSize,
        queueSize: parallelParts,
      });
      upload.on('httpUploadProgress', ({ loaded }) => onProgress(loaded ?? 0));
      await upload.done();
    });
  }

  /** Keys below `under`, in order, without it. */
  async *list(under: string): AsyncIterable<string> {
    const prefix = this.location.prefix + under;
    for (let token: string | undefined; ; ) {
      const page = await withRetries(this.location, () =>
        this.#client.send(
          new ListObjectsV2Command({ Bucket: this.location.bucket, Prefix: prefix, ContinuationToken: token }),
        ),
      );
      for (const { Key } of page.Contents ?? []) if (Key !== undefined) yield Key.slice(prefix.length);
      token = page.NextContinuationToken;
      if (page.IsTruncated !== true || token === undefined) return;
    }
  }

  /** Gives up uploads in parts below the prefix that began so long ago. @returns how many. */
  async abortUploads(olderThanMs: number): Promise<number> {
    const { bucket, prefix } = this.location;
    let aborted = 0;
    for (let keyMarker: string | undefined, idMarker: string | undefined; ; ) {
      const page = await withRetries(this.location, () =>
        this.#client.send(
          new ListMultipartUploadsCommand({
            Bucket: bucket,
            Prefix: prefix,
            KeyMarker: keyMarker,
            UploadIdMarker: idMarker,
          }),
        ),
      );
      for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
        if (Key === undefined || Initiated === undefined || Date.now() - Initiated.getTime() < olderThanMs) continue;
        const gone = await this.#orNull(async () => {
          await this.#client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }));
          return true;
        });
        if (gone === true) aborted += 1;
      }
      keyMarker = page.NextKeyMarker;
      idMarker = page.NextUploadIdMarker;
      if (page.IsTruncated !== true || !keyMarker) return aborted;
    }
  }

  #object(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.location.bucket, Key: this.location.prefix + key };
  }

  #orNull<T>(task: () => Promise<T>): Promise<T | null> {
    return withRetries(this.location, async () => {
      try {
        return await task();
      } catch (error) {
        const { name } = error as Error;
        if (name === 'NoSuchKey' || name === 'NotFound' || name === 'NoSuchUpload') return null;
        throw error;
      }
    });
  }

  #conflict(): MillraceError {
    return new MillraceError('SERVER_BUSY', {
      path: this.location.url,
      expected: 'one conditional write of a manifest at a time',
      received: 'another one under way',
      hint: 'Run again later.',
      retryable: true,
    });
  }
}

/** Of the whole object alone: that of an object in parts is one of the parts' own. */
function wholeChecksum(checksum: string | undefined, type: string | undefined): string | null {
  if (checksum === undefined || type === 'COMPOSITE' || checksum.includes('-')) return null;
  return Buffer.from(checksum, 'base64').toString('hex');
}

function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
}
