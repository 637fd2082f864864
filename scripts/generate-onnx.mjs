// Generates operators/export/generated/onnx_pb.ts from the official onnx.proto beside it (from the wheel of onnx 1.23.2).
// Run it by hand after replacing the .proto: node scripts/generate-onnx.mjs
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../operators/export/generated', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'generate-onnx-'));
const template = join(scratch, 'buf.gen.yaml');
writeFileSync(
  template,
  JSON.stringify({
    version: 'v2',
    plugins: [{ local: 'protoc-gen-es', out: folder, opt: ['target=ts', 'import_extension=js'] }],
  }),
);
const packages = ['@bufbuild/buf@1.75.0', '@bufbuild/protoc-gen-es@2.12.0'].flatMap((name) => ['--package', name]);
const { status } = spawnSync('npx', ['--yes', ...packages, '--', 'buf', 'generate', folder, '--template', template], {
  stdio: 'inherit',
});
rmSync(scratch, { recursive: true, force: true });
process.exit(status ?? 1);
