import { describe, expect, it } from 'vitest';
import { stripComments } from '../../../../connectors/libtorch/addon-stamp.js';

describe('stripComments', () => {
  it('leaves nothing of comments and layout, and everything of code and text', () => {
    const source =
      '#include "a//b.h" // why\n\n/* a\n * b */ int  x = \'"\'; // "\nconst char* s = "/* no \\" comment */";\n';
    expect(stripComments(source)).toBe('#include "a//b.h"\nint  x = \'"\';\nconst char* s = "/* no \\" comment */";');
  });

  it('gives equal text where comments alone differ', () => {
    expect(stripComments('int x; // one\n')).toBe(stripComments('// two\n  int x;\n\n'));
  });
});
