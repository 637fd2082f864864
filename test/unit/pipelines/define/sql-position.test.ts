import { expect, test } from 'vitest';
import { openPart } from '../../../../pipelines/define/sql-position.js';

test.each([
  ['SELECT 1', null],
  ["SELECT 'it''s", "'"],
  ["SELECT 'it''s', ", null],
  ['SELECT "a', '"'],
  ['SELECT -- a', 'comment'],
  ['SELECT -- a\n', null],
  ['SELECT /* $$ ', 'comment'],
  ['SELECT $$it', '$$'],
  ["SELECT $$it's$$, ", null],
  ['SELECT $a$ $$ $b$ ', '$$'],
  ['SELECT $a$ $$ $a$, ', null],
  ['SELECT $1, $2, ', null],
  ['SELECT a$b$c, ', null],
  ["SELECT '$$', ", null],
  ["SELECT E'it\\'s ", "'"],
  ["SELECT E'it\\'s', ", null],
  ["SELECT CASE WHEN a THEN 1 ELSE'\\' END", null],
])('%j ends inside of %j', (text, part) => {
  expect(openPart(text)).toBe(part);
});
