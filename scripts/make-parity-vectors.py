"""Writes what PyTorch computes for every primitive, layer, loss, optimizer and schedule, as safetensors.

Run with the pinned environment of test/peers (torch, numpy, safetensors):
    python scripts/make-parity-vectors.py                     the committed vectors, test/parity/native/vectors/
    python scripts/make-parity-vectors.py --seed 7 --out DIR  others: values and shapes follow from the seed
Each file carries its cases as JSON in its metadata.
"""

import argparse
import os
import sys

sys.dont_write_bytecode = True

import torch  # noqa: E402

from parity import layers, losses, primitives, trajectories  # noqa: E402
from parity.drawing import Drawing  # noqa: E402
from parity.writing import write  # noqa: E402

COMMITTED = os.path.join(os.path.dirname(__file__), "..", "test", "parity", "native", "vectors")

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=20260101)
parser.add_argument("--out", default=COMMITTED)
arguments = parser.parse_args()

# Sums in one order: the native engine runs a shard on one thread, too.
torch.set_num_threads(1)
os.makedirs(arguments.out, exist_ok=True)
for subject in (primitives, layers, losses, trajectories):
    # Each subject draws from a start of its own, so that a case more in one file leaves the others as they are.
    tensors, cases = subject.vectors(Drawing(arguments.seed))
    write(arguments.out, subject.__name__.split(".")[-1], tensors, cases)
