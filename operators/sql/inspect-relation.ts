// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the texts show users what to write.
import { isMillraceError, MillraceError } from '../../pipelines/contracts/errors.js';
import type { SqlEngine, StatementInfo } from '../../pipelines/contracts/sql.js';
import type { Relation } from '../../pipelines/plan/relation.js';
import { withExcerpt } from './statement-excerpt.js';
import { placeholderName, substitute } from './statement-text.js';

type SqlRelation = Extract<Relation, { kind: 'sql' }>;

/**
 * Parses one relation's text alone: exactly one SELECT over its own relations, the same answer every time.
 *
 * @throws SQL_INVALID, SQL_REFUSED
 */
export async function inspectRelation(engine: SqlEngine, relation: SqlRelation, path: string): Promise<StatementInfo> {
  const text = substitute(relation.text, {
    relation: (index) => {
      if (index >= relation.relations.length)
        throw unknownReference(path, `{{${index}}}`, `datasets 0 to ${relation.relations.length - 1}`);
      return `"${placeholderName(index)}"`;
    },
    value: (number) => {
      if (number < 1 || number > relation.values.length)
        throw unknownReference(path, `$${number}`, `values $1 to $${relation.values.length}`);
      return number;
    },
  });
  const info = await engine.inspect(text, path).catch((error: unknown) => {
    throw isMillraceError(error) ? withExcerpt(error, text) : error;
  });
  checkTables(info, relation, path);
  const [first] = info.volatileFunctions;
  if (first !== undefined) {
    throw new MillraceError('SQL_REFUSED', {
      path,
      expected: 'a SELECT that gives the same rows each time',
      received: first === 'tablesample' ? 'a sample without REPEATABLE' : `the function '${first}'`,
      hint: adviceFor(first),
      details: { functions: info.volatileFunctions },
    });
  }
  return info;
}

function checkTables(info: StatementInfo, relation: SqlRelation, path: string): void {
  const reserved = /"key":"(r\d+_)"/i.exec(info.canonical)?.[1];
  if (reserved !== undefined) {
    throw new MillraceError('SQL_INVALID', {
      path,
      expected: 'WITH names other than r0_, r1_ …, which stand for datasets',
      received: `'${reserved}'`,
      hint: 'Rename it.',
    });
  }
  const given = new Set(relation.relations.map((_, index) => placeholderName(index)));
  const unknown = info.tables.find((table) => !given.has(table));
  if (unknown === undefined) return;
  throw new MillraceError('SQL_INVALID', {
    path,
    expected: 'the datasets that stand in it as ${…}, and its own WITH names',
    received: `the table '${unknown}'`,
    hint: 'Put the dataset itself into the text: FROM ${dataset}.',
    details: { table: unknown },
  });
}

function unknownReference(path: string, received: string, known: string): MillraceError {
  return new MillraceError('SQL_INVALID', {
    path,
    expected: known.endsWith('-1') || known.endsWith('$0') ? 'no reference' : known,
    received,
  });
}

function adviceFor(name: string): string {
  if (name === 'tablesample') return 'Write USING SAMPLE … REPEATABLE (seed), or filter by a hash of the key.';
  if (/uuid|random|setseed/.test(name)) return 'Use a hash of the key and a bound seed: hash(id, ${seed}).';
  return 'Bind the moment as a parameter: ${date(params.asOf)}.';
}
