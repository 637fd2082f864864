"""A Parquet file to one row-major float32 array: the time of the second pass in this process, the peak of memory, the bytes' digest."""

import hashlib
import json
import resource
import sys
import time

job = json.loads(sys.argv[1])
file, rows, columns, threads = job["file"], job["rows"], job["columns"], job["threads"]


def polars_pass():
    return polars.read_parquet(file, columns=columns).to_numpy(order="c")


def batches_pass():
    out = numpy.empty((rows, len(columns)), numpy.float32)
    at = 0
    for batch in parquet.ParquetFile(file).iter_batches(batch_size=65536, columns=columns):
        for index in range(len(columns)):
            out[at : at + batch.num_rows, index] = batch.column(index).to_numpy()
        at += batch.num_rows
    return out


def groups_pass():
    out = numpy.empty((rows, len(columns)), numpy.float32)
    at = 0
    reader = parquet.ParquetFile(file)
    for group in range(reader.num_row_groups):
        table = reader.read_row_group(group, columns=columns)
        for index in range(len(columns)):
            out[at : at + table.num_rows, index] = table.column(index).to_numpy()
        at += table.num_rows
    return out


if job["peer"] == "polars":
    import polars

    passes = [polars_pass]
else:
    import numpy
    import pyarrow
    from pyarrow import parquet

    pyarrow.set_cpu_count(threads)
    passes = [batches_pass, groups_pass]

best = None
for one in passes:
    one()
    start, cpu = time.perf_counter(), time.process_time()
    array = one()
    spent = (time.perf_counter() - start, time.process_time() - cpu)
    assert array.shape == (rows, len(columns)) and array.dtype == "float32" and array.flags["C_CONTIGUOUS"]
    best = spent if best is None else min(best, spent)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
digest = hashlib.sha256(memoryview(array).cast("B")).hexdigest() if job["digest"] else None
print(json.dumps({"seconds": best[0], "cpuSeconds": best[1], "peakMb": peak, "sha256": digest}))
