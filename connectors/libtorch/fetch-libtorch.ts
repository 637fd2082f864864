import { mkdir, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import { makeFolder } from '../tools/cache-folder.js';
import { lastLines, runTool, toolMissing } from '../tools/run-tool.js';
import { pinnedVersion } from './libtorch-version.js';
import { cachedLibtorch, type Libtorch } from './locate-libtorch.js';

/** Bytes of the wheels, for the progress. */
const wheelBytes = 570e6;
const pollMs = 500;
const installPip = 'sudo apt-get install python3 python3-pip';

/** The wheels whose libraries libtorch_cpu needs; the pins keep pip from empty placeholder packages. */
const requirements =
  process.platform === 'darwin'
    ? [`torch==${pinnedVersion}`]
    : [`torch==${pinnedVersion}`, 'nvidia-cuda-runtime==13.*', 'nvidia-cuda-cupti==13.*'];

/** A Python for which pip finds no wheel can still unpack one of another version: only C++ is used. */
const foreignPython = [
  '--python-version=3.11',
  '--implementation=cp',
  '--abi=cp311',
  '--abi=abi3',
  '--abi=none',
  ...(process.platform === 'darwin'
    ? ['macosx_11_0_arm64', 'macosx_14_0_arm64']
    : ['manylinux_2_28', 'manylinux_2_25', 'manylinux_2_17', 'manylinux2014', 'linux'].map(
        (tag) => `${tag}_${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}`,
      )
  ).map((platform) => `--platform=${platform}`),
];

export interface FetchOptions {
  readonly onProgress?: ((message: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Downloads the pinned libtorch by pip into the user's cache and unpacks headers and CPU libraries alone (0.5 GB).
 *
 * @throws TOOL_MISSING - no python3 or no pip, with the command that installs it.
 * @throws DOWNLOAD_FAILED - retryable. @throws CANCELLED
 */
export async function fetchLibtorch(options: FetchOptions = {}): Promise<Libtorch> {
  const directory = cachedLibtorch();
  await makeFolder(dirname(directory), async (folder) => {
    const wheels = join(folder, 'wheels');
    await mkdir(wheels);
    await download(wheels, options);
    options.onProgress?.('unpacking libtorch');
    const { code, output } = await runTool('python3', ['-c', unpackScript, wheels, folder], {
      install: installPip,
      signal: options.signal,
    });
    if (code !== 0) throw downloadFailed(output);
  });
  return { directory, version: pinnedVersion, source: 'download' };
}

async function download(directory: string, { onProgress, signal }: FetchOptions): Promise<void> {
  const started = `fetching libtorch ${pinnedVersion} (${Math.round(wheelBytes / 1e6)} MB) by pip`;
  onProgress?.(started);
  let shown = 0;
  const timer = setInterval(() => {
    void downloadedBytes(directory).then((bytes) => {
      // pip's own copies have other names and come and go: the bar neither falls nor passes its end.
      const now = Math.min(bytes, wheelBytes);
      if (now <= shown) return;
      shown = now;
      onProgress?.(
        `fetching libtorch ${pinnedVersion}: ${Math.round(now / 1e6)} of ${Math.round(wheelBytes / 1e6)} MB`,
      );
    });
  }, pollMs);
  try {
    const args = [
      '-m',
      'pip',
      'download',
      '--no-deps',
      '--only-binary=:all:',
      '--no-input',
      '--disable-pip-version-check',
      '-d',
      directory,
    ];
    // pip writes wheels below TMPDIR first: keep them on the cache's disk, where the progress sees them grow.
    const run = (extra: readonly string[]): ReturnType<typeof runTool> =>
      runTool('env', [`TMPDIR=${directory}`, 'python3', ...args, ...extra, ...requirements], {
        install: installPip,
        signal,
      });
    let result = await run([]);
    if (result.code !== 0 && /No matching distribution/.test(result.output)) result = await run(foreignPython);
    if (result.code === 127) throw toolMissing('python3', installPip);
    if (/No module named pip/.test(result.output)) throw toolMissing('pip', installPip);
    if (result.code !== 0) throw downloadFailed(result.output);
  } finally {
    clearInterval(timer);
  }
}

/**
 * Bytes that came so far. pip copies a finished wheel out of its temporary folder, so that for a while it is there twice:
 * every name counts once.
 *
 * @internal
 */
export async function downloadedBytes(directory: string): Promise<number> {
  try {
    const entries = await readdir(directory, { recursive: true, withFileTypes: true });
    const sizes = new Map<string, number>();
    for (const entry of entries.filter((each) => each.isFile())) {
      const { size } = await stat(join(entry.parentPath, entry.name));
      sizes.set(entry.name, Math.max(size, sizes.get(entry.name) ?? 0));
    }
    return [...sizes.values()].reduce((sum, size) => sum + size, 0);
  } catch {
    return 0;
  }
}

function downloadFailed(output: string): MillraceError {
  return new MillraceError('DOWNLOAD_FAILED', {
    path: 'setup.libtorch',
    expected: `pip to download torch ${pinnedVersion}`,
    received: lastLines(output),
    hint: 'Check the network and pip’s index, or set LIBTORCH to a folder of libtorch, and run `millrace setup` again.',
    retryable: true,
  });
}

/** argv: folder of wheels, target. Wheels go as soon as they are read. */
const unpackScript = `
import glob, os, sys, zipfile
wheels, target = sys.argv[1], sys.argv[2]
keep = {'libc10', 'libtorch_cpu', 'libgomp', 'libomp', 'libcudart', 'libcupti', 'libshm'}
def wanted(name):
    if name.startswith('torch/include/'):
        return not name.startswith(('torch/include/google/', 'torch/include/pybind11/'))
    folder, _, file = name.rpartition('/')
    if folder in ('torch/lib', 'nvidia/cu13/lib'):
        return file.split('.')[0].split('-')[0] in keep
    return '.dist-info/licenses/' in name
for path in glob.glob(os.path.join(wheels, '*.whl')):
    with zipfile.ZipFile(path) as wheel:
        for entry in wheel.infolist():
            if not entry.is_dir() and wanted(entry.filename):
                wheel.extract(entry, target)
    os.remove(path)
for root, folders, files in os.walk(wheels, topdown=False):
    for file in files: os.remove(os.path.join(root, file))
    os.rmdir(root)
`;
