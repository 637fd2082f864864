import { describe, expect, it } from 'vitest';
import { runPython } from '../../peers/python.js';

describe('runPython', () => {
  it('passes JSON in and out of the pinned environment', async () => {
    const script =
      'import duckdb, onnxruntime\noutput = {"sum": sum(input["values"]), "duckdb": duckdb.__version__, "onnxruntime": onnxruntime.__version__}';
    expect(await runPython(script, { values: [1, 2, 3.5] })).toEqual({
      sum: 6.5,
      duckdb: '1.5.5',
      onnxruntime: '1.30.0',
    });
  });

  it('carries the traceback of a script that raises', async () => {
    await expect(runPython('raise ValueError("no rows")', null)).rejects.toThrow(/ValueError: no rows/);
  });
});
