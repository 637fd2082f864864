"""Trains the benchmark's MLP with PyTorch on the feed's own rows; the time of all epochs but the first, and the loss."""

import json
import sys
import time

import torch
from safetensors.torch import load_file

job = json.loads(sys.argv[1])
torch.set_num_threads(job["threads"])


def sgemm():
    """GFLOP/s of a 4096 x 4096 x 4096 product: the machine's own limit."""
    a, b = torch.rand(4096, 4096), torch.rand(4096, 4096)
    best = 0.0
    for _ in range(4):
        start = time.perf_counter()
        torch.mm(a, b)
        best = max(best, 2 * 4096**3 / (time.perf_counter() - start) / 1e9)
    return {"gflops": best}


def train():
    torch.manual_seed(job["seed"])
    data = load_file(job["train"])
    x, y = data["float"], data["label"]
    rows, batch = len(x), job["batchSize"]
    model = torch.nn.Sequential(
        torch.nn.Linear(64, 256),
        torch.nn.ReLU(),
        torch.nn.Linear(256, 128),
        torch.nn.ReLU(),
        torch.nn.Linear(128, 1),
    )
    optimizer = torch.optim.Adam(model.parameters(), job["learningRate"], fused=True)
    loss_of = torch.nn.BCEWithLogitsLoss()
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=batch, shuffle=True)

    def step(xs, ys):
        optimizer.zero_grad()
        loss = loss_of(model(xs).squeeze(1), ys)
        loss.backward()
        optimizer.step()

    def sliced():
        order = torch.randperm(rows)
        shuffled, labels = x[order], y[order]
        for start in range(0, rows, batch):
            step(shuffled[start : start + batch], labels[start : start + batch])

    def loaded():
        for xs, ys in loader:
            step(xs, ys)

    epoch = sliced if job["peer"] == "sliced" else loaded
    epoch()
    start, cpu = time.perf_counter(), time.process_time()
    for _ in range(job["epochs"] - 1):
        epoch()
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    held = load_file(job["validation"])
    with torch.no_grad():
        loss = loss_of(model(held["float"]).squeeze(1), held["label"]).item()
    trained = rows * (job["epochs"] - 1)
    return {"rowsPerSecond": trained / seconds, "rowsPerCpuSecond": trained / cpu_seconds, "validationLoss": loss}


print(json.dumps(sgemm() if job["peer"] == "sgemm" else train()))
