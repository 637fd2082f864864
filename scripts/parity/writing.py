"""One safetensors file of vectors."""

import json
import os

import torch
from safetensors.torch import save_file


def write(directory, name, tensors, cases):
    path = os.path.join(directory, f"{name}.safetensors")
    plain = {key: value.detach().clone().contiguous() for key, value in tensors.items()}
    save_file(plain, path, {"cases": json.dumps(cases), "torch": torch.__version__})
    print(f"{name}: {len(cases)} cases, {len(tensors)} tensors")
