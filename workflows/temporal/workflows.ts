// Every workflow of Millrace: the build bundles what this file exports, under the names that a server knows.
export { driveRun } from './drive-run.js';
