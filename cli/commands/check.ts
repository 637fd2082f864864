import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { isMillraceError, MillraceError, MillraceErrors, throwProblems } from '../../pipelines/contracts/errors.js';
import { packageRootOf } from '../../workflows/bundle/find-root.js';
import { preparePipeline } from '../../workflows/bundle/prepare-pipeline.js';
import { checkPlan } from '../../workflows/check/check-plan.js';
import { type CommonOptions, compileTimeoutMs, openStore, paramTexts, printJson } from '../open.js';
import { SlowStep } from '../render/slow-step.js';

/**
 * Compiles twice and compares, describes the SQL against its sources, and runs the project's own TypeScript compiler.
 * What one of them finds does not keep the next from looking: all problems are told at once.
 */
export async function check(
  file: string,
  options: CommonOptions & { readonly param?: readonly string[] },
): Promise<void> {
  await using services = await openStore(options);
  const params = { kind: 'texts', values: paramTexts(options.param) } as const;
  const problems: MillraceError[] = [];
  const look = async <T>(at: () => Promise<T>): Promise<T | null> => {
    try {
      return await at();
    } catch (error) {
      // Without the file there is no project to look further into.
      if (!isMillraceError(error) || error.code === 'PIPELINE_NOT_FOUND') throw error;
      problems.push(...(error instanceof MillraceErrors ? error.problems : [error]));
      return null;
    }
  };
  using step = new SlowStep();
  step.begin('compiling the pipeline twice');
  const prepared = await look(() =>
    preparePipeline(services, file, { params, twice: true, timeoutMs: compileTimeoutMs() }),
  );
  if (prepared !== null)
    await look(() =>
      checkPlan(services, prepared.plan, prepared.root, new AbortController().signal, (stage) =>
        step.begin(`checking the SQL of ${stage} against its sources`),
      ),
    );
  step.begin("checking types with the project's tsc");
  const types = await look(() => checkTypes(prepared?.root ?? packageRootOf(resolve(file))));
  step.end();
  throwProblems(problems);
  if (prepared === null) return;
  if (options.json === true)
    printJson({
      pipeline: prepared.plan.pipeline,
      plan: prepared.digest,
      stages: prepared.plan.stages.map(({ id, operator, fused }) => ({ id, operator, fused })),
      types,
    });
  else
    process.stdout.write(
      `${prepared.plan.pipeline}: ${prepared.plan.stages.length} stages, plan ${prepared.digest.slice(0, 12)}; types ${types}\n`,
    );
}

const notChecked = 'not checked (no tsconfig.json or typescript in the project)';

/** The project's `tsc`, where it has one and a tsconfig.json. */
async function checkTypes(root: string): Promise<'checked' | typeof notChecked> {
  if (!existsSync(join(root, 'tsconfig.json'))) return notChecked;
  let compiler: string;
  try {
    compiler = createRequire(join(root, 'package.json')).resolve('typescript/bin/tsc');
  } catch {
    return notChecked;
  }
  const { status, stdout } = await tsc(compiler, root);
  if (status === 0) return 'checked';
  throw new MillraceError('PIPELINE_DOES_NOT_COMPILE', {
    path: join(root, 'tsconfig.json'),
    expected: 'a project whose types agree',
    received: `${stdout.match(/^\S.*error TS\d+/gm)?.length ?? 0} errors of tsc`,
    hint: `Mend the types and check again:\n${stdout.trim()}`,
  });
}

/** In a process of its own, so that what is slow can be told of meanwhile. */
async function tsc(
  compiler: string,
  root: string,
): Promise<{ readonly status: number | null; readonly stdout: string }> {
  const child = spawn(process.execPath, [compiler, '--noEmit', '--pretty', 'false', '-p', root], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk;
  });
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, stdout };
}
