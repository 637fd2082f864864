// npm run demo: sets up what is missing, runs examples/subscription-churn to a deployed endpoint, asks it once over HTTP.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const cli = `${root}/dist/cli/main.js`;

function step(args) {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

if (!existsSync(cli)) step(['scripts/build.mjs']);
step([cli, 'setup']);
step([cli, 'run', 'examples/subscription-churn/pipeline.ts', ...process.argv.slice(2)]);

const server = spawn(process.execPath, [cli, 'serve', '--port', '0', '--json'], {
  cwd: root,
  stdio: ['ignore', 'pipe', 'inherit'],
});
try {
  const address = await new Promise((resolve, reject) => {
    let text = '';
    server.stdout.on('data', (chunk) => {
      text += chunk;
      if (text.includes('\n')) resolve(JSON.parse(text).address);
    });
    server.once('exit', (code) => reject(new Error(`millrace serve ended with exit code ${code}`)));
  });
  const url = `${address}/endpoints/subscription-churn/predict`;
  const body = {
    rows: [
      {
        age: 24,
        monthly_fee: 39.9,
        tenure_days: 45,
        events_30d: 0,
        events_90d: 2,
        tickets: 3,
        purchases_90d: 0,
        days_silent: 41,
        plan: 'pro',
        country: 'AT',
        autopay: false,
      },
    ],
  };
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  process.stdout.write(`\nPOST ${url}\n${JSON.stringify(body)}\n→ ${response.status} ${JSON.stringify(answer)}\n`);
  if (!response.ok) process.exitCode = 1;
} finally {
  server.kill('SIGTERM');
}
