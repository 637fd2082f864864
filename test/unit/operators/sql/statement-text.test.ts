import { expect, test } from 'vitest';
import { placeholderName, substitute, withoutSemicolon } from '../../../../operators/sql/statement-text.js';

const replaced = (text: string): string =>
  substitute(text, { relation: (index) => `<${index}>`, value: (number) => number + 10 });

test.each([
  ['SELECT * FROM {{0}} a, {{12}} b WHERE x = $1 AND y = $2', 'SELECT * FROM <0> a, <12> b WHERE x = $11 AND y = $12'],
  ["SELECT '{{0}} $1 '' {{1}}', $1", "SELECT '{{0}} $1 '' {{1}}', $11"],
  ['SELECT "{{0}} $1 "" x" FROM {{0}}', 'SELECT "{{0}} $1 "" x" FROM <0>'],
  ['SELECT 1 -- {{0}} $1\nFROM {{0}}', 'SELECT 1 -- {{0}} $1\nFROM <0>'],
  ['SELECT /* {{0}} /* $1 */ {{1}} */ $1', 'SELECT /* {{0}} /* $1 */ {{1}} */ $11'],
  ['SELECT $$ {{0}} $1 $$, $tag$ $$ {{0}} $tag$, $1', 'SELECT $$ {{0}} $1 $$, $tag$ $$ {{0}} $tag$, $11'],
  ["SELECT E'\\' {{0}}', $1", "SELECT E'\\' {{0}}', $11"],
  ["SELECT 'a\\', $1, '{{0}}'", "SELECT 'a\\', $11, '{{0}}'"],
  ['SELECT a$1, $1a', 'SELECT a$1, $11a'],
  ['', ''],
])('replaces placeholders in %j alone', (text, expected) => {
  expect(replaced(text)).toBe(expected);
});

test.each([
  ['SELECT 1;', 'SELECT 1'],
  ['SELECT 1 ; ;\n', 'SELECT 1\n'],
  ['SELECT 1; -- end ;', 'SELECT 1 -- end ;'],
  ["SELECT ';'", "SELECT ';'"],
  ['SELECT 1; SELECT 2', 'SELECT 1; SELECT 2'],
  [';', ''],
])('takes the semicolon at the end of %j away', (text, expected) => {
  expect(withoutSemicolon(text)).toBe(expected);
});

test("gives a placeholder a name of the same length, so that columns in messages are the user's", () => {
  for (const index of [0, 9, 10, 123]) expect(`"${placeholderName(index)}"`.length).toBe(`{{${index}}}`.length);
});
