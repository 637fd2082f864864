// Which folder may import which: the direction of design and CONTRIBUTING.md.
const allow = {
  pipelines: ['pipelines'],
  'native/ts': ['native/ts', 'pipelines'],
  connectors: ['connectors', 'pipelines'],
  operators: ['operators', 'native/ts', 'pipelines'],
  workflows: ['workflows', 'operators', 'connectors', 'native/ts', 'pipelines', 'serving'],
  serving: ['serving', 'connectors', 'pipelines'],
  cli: ['cli', 'workflows', 'serving', 'operators', 'connectors', 'native/ts', 'pipelines'],
  examples: [
    'examples',
    'pipelines/index.ts',
    'pipelines/nn.ts',
    'pipelines/types.ts',
    'workflows/run.ts',
    'workflows/testing.ts',
  ],
};
const ours = '^(pipelines|operators|native|connectors|workflows|serving|cli|console|examples|test|scripts)/';

module.exports = {
  forbidden: [
    {
      name: 'no-circles',
      severity: 'error',
      from: { pathNot: 'generated' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    ...Object.entries(allow).map(([folder, targets]) => ({
      name: `imports-of-${folder.replace('/', '-')}`,
      severity: 'error',
      from: { path: `^${folder}/` },
      to: { path: ours, pathNot: targets.map((target) => `^${target}`) },
    })),
    {
      name: 'pipelines-are-pure',
      comment: 'Plans are interpreted in a workflow sandbox: no Node built-ins.',
      severity: 'error',
      from: { path: '^pipelines/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'workflow-definitions-are-pure',
      comment: "They run in Temporal's sandbox and are replayed: pipelines alone, and no Node built-ins.",
      severity: 'error',
      from: { path: '^workflows/temporal/(drive-run|protocol|payload-limit)' },
      to: { path: ours, pathNot: '^(pipelines|workflows/temporal/(drive-run|protocol|payload-limit))' },
    },
    {
      name: 'workflow-definitions-use-no-built-ins',
      severity: 'error',
      from: { path: '^workflows/temporal/(drive-run|protocol|payload-limit)' },
      to: { dependencyTypes: ['core'] },
    },
    { name: 'nothing-imports-tests', severity: 'error', from: { pathNot: '^test/' }, to: { path: '^test/' } },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(node_modules|dist|build)/' },
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.mjs'] },
  },
};
