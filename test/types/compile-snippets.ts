import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** The diagnostics of many snippets, compiled as one program with the settings of this repository. */
export interface SnippetResults {
  /** Every error of a snippet: its lines from the first to the most precise one. */
  readonly errors: (name: string) => readonly (readonly string[])[];
}

/**
 * Compiles snippets that import `millrace` as users do.
 *
 * @param snippets - by name; each is a module of its own.
 */
export function compileSnippets(snippets: Readonly<Record<string, string>>): SnippetResults {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: ['package.json'] }, ts.sys, root);
  const files = new Map(Object.entries(snippets).map(([name, text]) => [join(root, 'test/types', `${name}.ts`), text]));
  const host = ts.createCompilerHost(options);
  const program = ts.createProgram({
    rootNames: [...files.keys()],
    // Stable: the members of a union stand in the same order whatever was compiled before.
    options: { ...options, noEmit: true, stableTypeOrdering: true },
    host: {
      ...host,
      fileExists: (path) => files.has(path) || host.fileExists(path),
      readFile: (path) => files.get(path) ?? host.readFile(path),
      getSourceFile: (path, languageVersion) => {
        const text = files.get(path);
        return text === undefined
          ? host.getSourceFile(path, languageVersion)
          : ts.createSourceFile(path, text, languageVersion, true);
      },
    },
  });
  const global = program.getOptionsDiagnostics();
  if (global.length > 0)
    throw new Error(ts.formatDiagnostics(global, { ...host, getCurrentDirectory: () => dirname(root) }));
  return {
    errors: (name) => {
      const file = program.getSourceFile(join(root, 'test/types', `${name}.ts`))!;
      return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map((diagnostic) =>
        ts
          .flattenDiagnosticMessageText(diagnostic.messageText, '\n')
          .split('\n')
          .map((line) => line.trim()),
      );
    },
  };
}
