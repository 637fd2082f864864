import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError, nearestName, throwProblems } from '../../pipelines/contracts/errors.js';
import type { Json } from '../../pipelines/contracts/json.js';
import { defineOperator, type OperatorContext } from '../../pipelines/contracts/operator.js';
import type { SlotValue, StatisticsDocument } from '../../pipelines/contracts/training.js';
import type { SlotSpec } from '../../pipelines/network/graph.js';
import { canonicalJson } from '../../pipelines/plan/digest.js';
import type { Column } from '../../pipelines/types/column-type.js';
import { columnParts } from '../split/column-parts.js';
import { artifactOfKind, type DatasetView, readDataset } from '../split/read-dataset.js';
import { checkParts, countParts, otherValues } from '../split/split-checks.js';
import { splitColumns, splitSql } from '../split/split-sql.js';
import type { NumberRequest, NumberStatistic } from './number-scan.js';
import { type NumberResult, numberStatistics, statisticKey } from './number-statistics.js';
import { type StatisticsOptions, statisticsOptions } from './statistics-options.js';
import { type Vocabulary, type VocabularyRequest, vocabularies } from './vocabularies.js';

/** A summary names this many columns at most. */
const summaryColumns = 200;

/**
 * Computes what fills a graph's slots and sizes, from the train split alone.
 *
 * Missing values are left out. A column without a single value gets mean 0 and deviation 1, an empty vocabulary is
 * legal; the summary says so. Sums run on one thread, everything else on the stage's.
 *
 * @throws every problem of the numbers at once (see {@link numberStatistics}); SPLIT_EMPTY, DATA_EMPTY,
 *   DATA_SINGLE_CLASS, DATA_TYPE.
 */
export const statisticsOperator = defineOperator<StatisticsOptions>({
  name: 'statistics',
  class: 'pure',
  options: statisticsOptions,
  outputs: { statistics: 'statistics' },
  weight: 'sql',
  engines: ['duckdb'],
  async keyParts(_context, { options, inputs }) {
    const dataset = readDataset(artifactOfKind(inputs, 'dataset', 'dataset'));
    return columnParts(dataset, [...splitColumns(options.split, dataset), ...namesOf(options)]);
  },
  async run(context, { options, inputs }) {
    const dataset = readDataset(artifactOfKind(inputs, 'dataset', 'dataset'));
    const { document, summary } = await computeStatistics(context, dataset, options);
    const writer = await context.artifacts.create('statistics');
    try {
      await writeFile(join(writer.directory, 'statistics.json'), canonicalJson(document));
      const artifact = await writer.commit({
        rows: document.rows,
        sizes: document.sizes,
        classes: document.classes.length,
      });
      return { outputs: [{ name: 'statistics', digest: artifact.digest }], summary };
    } catch (error) {
      await writer.discard();
      throw error;
    }
  },
});

function namesOf({ slots, label, inputs }: StatisticsOptions): string[] {
  return [...slots.flatMap((slot) => [slot.column, ...(slot.alsoColumns ?? [])]), ...label.columns, ...inputs];
}

export async function computeStatistics(
  context: Pick<OperatorContext, 'sql' | 'placement' | 'signal'>,
  dataset: DatasetView,
  options: StatisticsOptions,
): Promise<{ readonly document: StatisticsDocument; readonly summary: Json }> {
  if (dataset.rows === 0) checkParts({ train: 0, validation: 0, test: 0 }, 0, []);
  const split = splitSql(options.split, dataset);
  const labels = options.label.columns.map((name) => columnNamed(dataset, name));
  const open = (threads: number) =>
    context.sql.open({
      readable: [dataset.directory],
      writable: [],
      threads,
      memoryLimitMb: context.placement.memoryLimitMb,
      signal: context.signal,
    });

  await using session = await open(context.placement.threads);
  const rows = await countParts(session, dataset, split);
  const others = await otherValues(session, dataset, options.split);
  checkParts(rows, dataset.rows, ['train', 'validation'], others);
  await using ordered = await open(1);
  const numbers = await numberStatistics(ordered, dataset, split, numberRequests(dataset, options), labels);

  const requests = vocabularyRequests(dataset, options);
  const lists = await vocabularies(
    session,
    dataset,
    split,
    requests.map(({ request }) => request),
  );
  const found = new Map(requests.map(({ key }, index) => [key, lists[index]!]));
  const classes = options.label.task === 'regression' ? [] : found.get(classesKey)!.values;
  checkClasses(options, labels[0]!, classes);

  const slots: Record<string, SlotValue> = {};
  const sizes: Record<string, number> = {};
  for (const slot of options.slots) {
    const value = slotValue(slot, numbers, found);
    slots[slot.name] = value;
    if (slot.size !== null) sizes[slot.size] = value.values.length;
  }
  const document: StatisticsDocument = { formatVersion: 1, slots, sizes, rows, classes };
  const missing = [...numbers.missing].filter(([, count]) => count > 0);
  return {
    document,
    summary: {
      rows,
      leftOut: dataset.rows - rows.train - rows.validation - rows.test,
      classes: classes.slice(0, 100),
      missing: Object.fromEntries(missing.slice(0, summaryColumns)),
      allMissing: missing
        .filter(([, count]) => count === rows.train)
        .slice(0, summaryColumns)
        .map(([name]) => name),
      vocabularies: Object.fromEntries(
        requests
          .slice(0, summaryColumns)
          .map(({ key }) => [key, { size: found.get(key)!.values.length, distinct: found.get(key)!.distinct }]),
      ),
      otherValues: others.map((other) => ({ value: other.value, rows: other.rows })),
    },
  };
}

/** The name of the label's classes among the vocabularies; no slot has it. */
const classesKey = '(classes)';

function columnNamed(dataset: DatasetView, name: string): Column {
  const column = dataset.columns.find((candidate) => candidate.name === name);
  if (column !== undefined) return column;
  throw new MillraceError('DATA_COLUMN_MISSING', {
    path: `column ${name}`,
    expected: 'a column of the dataset',
    received: `none of this name among ${dataset.columns.map((each) => each.name).join(', ')}`,
  });
}

/** Numbers to compute or only to check, one entry a column. */
function numberRequests(dataset: DatasetView, { slots, label, inputs }: StatisticsOptions): NumberRequest[] {
  const statistics = new Map<string, Map<string, NumberStatistic>>();
  for (const name of [...inputs, ...label.columns]) {
    if (/^(u?int|float)/.test(columnNamed(dataset, name).type.kind)) statistics.set(name, new Map());
  }
  // A wide integer that is only a category may be any integer.
  const isNumber = new Set(slots.filter((slot) => slot.statistic.kind !== 'vocabulary').map((slot) => slot.column));
  for (const name of statistics.keys()) {
    if (
      /64$/.test(columnNamed(dataset, name).type.kind) &&
      !columnNamed(dataset, name).type.kind.startsWith('float') &&
      !isNumber.has(name)
    )
      statistics.delete(name);
  }
  for (const { column, statistic } of slots) {
    if (statistic.kind === 'vocabulary') continue;
    const known = statistics.get(column) ?? new Map<string, NumberStatistic>();
    statistics.set(column, known.set(statisticKey(column, statistic), statistic));
  }
  return [...statistics].map(([name, wanted]) => ({
    column: columnNamed(dataset, name),
    statistics: [...wanted.values()],
  }));
}

function vocabularyRequests(
  dataset: DatasetView,
  { slots, label }: StatisticsOptions,
): { readonly key: string; readonly request: VocabularyRequest }[] {
  const requests = slots.flatMap(({ name, column, alsoColumns, statistic, dtype }) =>
    statistic.kind === 'vocabulary'
      ? [
          {
            key: name,
            request: {
              columns: [column, ...(alsoColumns ?? [])].map((each) => columnNamed(dataset, each)),
              dtype,
              statistic,
            },
          },
        ]
      : [],
  );
  if (label.task === 'regression') return requests;
  const column = columnNamed(dataset, label.columns[0]!);
  const dtype = /^u?int/.test(column.type.kind) ? ('int64' as const) : ('string' as const);
  return [
    ...requests,
    {
      key: classesKey,
      request: { columns: [column], dtype, statistic: { kind: 'vocabulary', minCount: 1, maxSize: 1_000_000 } },
    },
  ];
}

function checkClasses({ label }: StatisticsOptions, column: Column, classes: readonly string[]): void {
  if (label.task === 'regression') return;
  if (classes.length < 2) {
    throw new MillraceError('DATA_SINGLE_CLASS', {
      path: `column ${column.name}`,
      expected: 'a label with at least two classes in the train split',
      received: classes.length === 0 ? 'none' : `one: '${classes[0]}'`,
      hint: 'Look at the SQL that makes the label, or stratify the split by it.',
    });
  }
  if (label.task === 'binary' && classes.length > 2) {
    throw new MillraceError('DATA_OUT_OF_RANGE', {
      path: `column ${column.name}`,
      expected: 'two classes for a binary label',
      received: String(classes.length),
      hint: "Write task: 'multiclass'.",
    });
  }
  throwProblems(unknownClasses(label.weightedClasses ?? [], column, classes));
}

/** Weights of classes that no row has would silently count for nothing. A bool's were checked with the plan. */
function unknownClasses(weighted: readonly string[], column: Column, classes: readonly string[]): MillraceError[] {
  if (column.type.kind === 'bool') return [];
  const isNumber = column.type.kind !== 'string';
  const shown = [...classes.slice(0, 20).map((name) => `'${name}'`), ...(classes.length > 20 ? ['…'] : [])].join(', ');
  return weighted
    .filter((name) => !classes.includes(isNumber ? String(Number(name)) : name))
    .map((name) => {
      const nearest = isNumber ? null : nearestName(name, classes);
      return new MillraceError('DATA_OUT_OF_RANGE', {
        path: `fit.loss.classWeights.${name}`,
        expected: `a class that ${column.name} has in the train split (${shown})`,
        received: `'${name}'`,
        hint: nearest === null ? 'Remove it, or look at the SQL that makes the label.' : `Did you mean '${nearest}'?`,
      });
    });
}

function slotValue(
  { name, column, statistic, dtype, size }: SlotSpec,
  numbers: NumberResult,
  lists: ReadonlyMap<string, Vocabulary>,
): SlotValue {
  if (statistic.kind !== 'vocabulary') {
    const values = numbers.values.get(statisticKey(column, statistic))!;
    return { dtype: 'float64', shape: size === null ? [] : [values.length], values };
  }
  const { values } = lists.get(name)!;
  return dtype === 'float64'
    ? { dtype, shape: [values.length], values: values.map(Number) }
    : { dtype, shape: [values.length], values };
}
