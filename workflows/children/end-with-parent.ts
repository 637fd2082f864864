import { Worker } from 'node:worker_threads';

const watch = `
const { workerData } = require('node:worker_threads');
const check = () => {
  if (process.ppid !== workerData) process.kill(process.pid, 'SIGKILL');
};
check();
setInterval(check, 200);
`;

/** What a parent hands to {@link endWithParent} of the child that it forks. */
export function parentArguments(): readonly string[] {
  return [String(process.pid)];
}

/**
 * Ends this process soon after its parent is gone, even where the user's code never returns to the event loop:
 * a thread of its own asks who the parent is. The parent says who it is, because it may die before the child asks.
 */
export function endWithParent(): void {
  new Worker(watch, { eval: true, workerData: Number(process.argv[2]) }).unref();
}
