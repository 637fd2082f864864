import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { downloadedBytes } from '../../../../connectors/libtorch/fetch-libtorch.js';
import { temporaryDirectory } from '../../../support/cli.js';

describe('downloadedBytes', () => {
  it('counts a wheel once while pip copies it out of its temporary folder', async () => {
    await using place = await temporaryDirectory();
    await mkdir(join(place.path, 'pip-unpack-1'));
    await writeFile(join(place.path, 'pip-unpack-1', 'torch.whl'), Buffer.alloc(1000));
    await writeFile(join(place.path, 'torch.whl'), Buffer.alloc(400));
    await writeFile(join(place.path, 'cudart.whl'), Buffer.alloc(30));
    expect(await downloadedBytes(place.path)).toBe(1030);
  });

  it('is 0 before the folder is there', async () => {
    await using place = await temporaryDirectory();
    expect(await downloadedBytes(join(place.path, 'wheels'))).toBe(0);
  });
});
