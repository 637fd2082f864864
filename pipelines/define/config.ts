import { z } from 'zod';

/** A value that is read from the environment where it is used: no file, plan, log or store ever holds it. */
export interface SecretReference {
  /** Name of the environment variable. */
  readonly secret: string;
}

/** Names a secret: `secret('MILLRACE_METADATA_URL')` reads that environment variable when it is needed. */
export function secret(name: string): SecretReference {
  return { secret: name };
}

const secretReference = z.strictObject({
  secret: z.string().refine((text) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(text), 'the name of an environment variable'),
});

/** A URL that is written out may not hold a password. */
const metadataUrl = z
  .string()
  .refine((text) => /^postgres(ql)?:\/\//.test(text), "a URL that begins with 'postgres://'")
  .refine(
    (url) => !/^[^/]*\/\/[^@/]*:[^@/]*@/.test(url),
    "a URL without a password; write secret('NAME') for one that has it",
  );

const name = z
  .string()
  .refine(
    (text) => /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/.test(text),
    'letters, digits, dot, dash and underscore, at most 128',
  );

export const configSchema = z.strictObject({
  store: z
    .strictObject({
      /** Of this machine: artifacts and metadata unless they are elsewhere, else caches, scratch and records. Relative to the file. */
      directory: z.string().min(1).optional(),
      metadata: z.union([metadataUrl, secretReference]).optional(),
      artifacts: z
        .strictObject({
          url: z
            .string()
            .refine(
              (text) => /^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/.*)?$/.test(text),
              "'s3://<bucket>/<prefix>'",
            ),
          /** Of a server that is not Amazon's. */
          endpoint: z.url().optional(),
          region: z.string().min(1).optional(),
        })
        .optional(),
    })
    .optional(),
  temporal: z
    .strictObject({
      /** `host:port` */
      address: z
        .string()
        .refine((text) => /^[^\s:/]+:\d{1,5}$/.test(text), "'<host>:<port>'")
        .optional(),
      namespace: name.optional(),
      /** Task queue of runs and workers. */
      queue: name.optional(),
    })
    .optional(),
});

/** What `millrace.config.ts` may hold; everything has a default. */
export type Config = z.input<typeof configSchema>;

/** Types the default export of `millrace.config.ts`. Its values are checked when a command reads the file. */
export function defineConfig(config: Config): Config {
  return config;
}
