import { randomBytes } from 'node:crypto';

export const secretName = 'MILLRACE_TEST_SECRET';

/** Stands in the environment of everything that this process's tests start; nothing may write it down. */
export const plantedSecret: string = randomBytes(24).toString('hex');

process.env[secretName] = plantedSecret;
