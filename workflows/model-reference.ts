import { MillraceError } from '../pipelines/contracts/errors.js';

/** 'churn', 'churn@champion' or 'churn@3' in parts; without a selector the champion. @throws NAME_INVALID */
export function modelReference(text: string): { readonly model: string; readonly selector: string } {
  const [model, selector = 'champion', ...rest] = text.split('@');
  if (model === undefined || model === '' || selector === '' || rest.length > 0) {
    throw new MillraceError('NAME_INVALID', {
      path: 'model',
      expected: "'<model>@<alias or version>'",
      received: `'${text}'`,
    });
  }
  return { model, selector };
}
