import { Worker } from 'node:worker_threads';

const watch = `
const { workerData } = require('node:worker_threads');
setInterval(() => {
  if (process.ppid !== workerData) process.kill(process.pid, 'SIGKILL');
}, 200);
`;

/**
 * Ends this process soon after its parent is gone, even where the user's code never returns to the event loop:
 * a thread of its own asks who the parent is.
 */
export function endWithParent(): void {
  new Worker(watch, { eval: true, workerData: process.ppid }).unref();
}
