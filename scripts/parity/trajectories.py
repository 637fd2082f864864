"""Full-batch training of a network of two layers in float64, 20 steps: every optimizer and schedule."""

import math

import torch
import torch.nn.functional as F

OPTIMIZERS = {
    "sgd": {"kind": "sgd", "learningRate": 0.05, "momentum": 0, "nesterov": False, "weightDecay": 0},
    "sgd_decay": {"kind": "sgd", "learningRate": 0.05, "momentum": 0, "nesterov": False, "weightDecay": 0.01},
    "sgd_momentum": {"kind": "sgd", "learningRate": 0.05, "momentum": 0.9, "nesterov": False, "weightDecay": 0.01},
    "sgd_nesterov": {"kind": "sgd", "learningRate": 0.05, "momentum": 0.9, "nesterov": True, "weightDecay": 0},
    "adam": {"kind": "adam", "learningRate": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weightDecay": 0},
    "adam_decay": {"kind": "adam", "learningRate": 0.01, "beta1": 0.8, "beta2": 0.99, "epsilon": 1e-6, "weightDecay": 0.1},
    "adamW": {"kind": "adamW", "learningRate": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weightDecay": 0.1},
}
SCHEDULES = {
    "constant": {"kind": "constant"},
    "step": {"kind": "step", "everyEpochs": 3, "factor": 0.5},
    "cosine": {"kind": "cosine", "warmupFraction": 0.25, "minimumFactor": 0.1},
    "cosine_no_warmup": {"kind": "cosine", "warmupFraction": 0, "minimumFactor": 0},
    "oneCycle": {"kind": "oneCycle", "warmupFraction": 0.3, "startDivisor": 25, "endDivisor": 1e4},
}
EPOCHS, BATCHES = 20, 1
STEPS = EPOCHS * BATCHES


def make_optimizer(o, parameters):
    if o["kind"] == "sgd":
        return torch.optim.SGD(parameters, lr=o["learningRate"], momentum=o["momentum"], nesterov=o["nesterov"], weight_decay=o["weightDecay"])
    kind = torch.optim.Adam if o["kind"] == "adam" else torch.optim.AdamW
    return kind(parameters, lr=o["learningRate"], betas=(o["beta1"], o["beta2"]), eps=o["epsilon"], weight_decay=o["weightDecay"])


def make_schedule(s, optimizer):
    if s["kind"] == "constant":
        return None
    if s["kind"] == "step":
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: s["factor"] ** ((step // BATCHES) // s["everyEpochs"]))
    if s["kind"] == "cosine":
        warmup, low = math.floor(s["warmupFraction"] * STEPS), s["minimumFactor"]
        cosine = lambda step: low + (1 - low) * (1 + math.cos(math.pi * (step - warmup) / max(1, STEPS - warmup))) / 2
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (step + 1) / warmup if step < warmup else cosine(step))
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=optimizer.param_groups[0]["lr"], total_steps=STEPS, pct_start=s["warmupFraction"],
        div_factor=s["startDivisor"], final_div_factor=s["endDivisor"], cycle_momentum=False)


def vectors(draw):
    rows, width, hidden = draw.size(15, 41), draw.size(3, 9), draw.size(3, 9)
    # Float32 values, as a feed holds them. One batch is the whole split, so the order of rows is immaterial up to rounding.
    x = draw.normal(rows, width)
    y = (x.sum(1) > 0).float()
    weight = draw.positive(rows)
    start = {
        "hidden/weight": draw.normal(hidden, width).double() * 0.5,
        "hidden/bias": draw.normal(hidden).double() * 0.1,
        "last/weight": draw.normal(1, hidden).double() * 0.5,
        "last/bias": draw.normal(1).double() * 0.1,
    }
    tensors = {"x": x, "label": y, "weight": weight, **{f"start/{name}": value for name, value in start.items()}}
    combinations = [(o, "constant", None) for o in OPTIMIZERS] + [("adam", s, None) for s in SCHEDULES if s != "constant"]
    combinations += [("sgd_momentum", "oneCycle", None), ("adamW", "cosine", 0.05), ("sgd", "constant", 0.1)]
    index = []
    for optimizer_name, schedule_name, clip in combinations:
        name = f"{optimizer_name}/{schedule_name}" + ("" if clip is None else "/clipped")
        parameters = {key: value.clone().requires_grad_(True) for key, value in start.items()}
        optimizer = make_optimizer(OPTIMIZERS[optimizer_name], list(parameters.values()))
        schedule = make_schedule(SCHEDULES[schedule_name], optimizer)
        for _ in range(STEPS):
            optimizer.zero_grad()
            h = torch.tanh(F.linear(x.double(), parameters["hidden/weight"], parameters["hidden/bias"]))
            logits = F.linear(h, parameters["last/weight"], parameters["last/bias"])[:, 0]
            loss = F.binary_cross_entropy_with_logits(logits, y.double(), reduction="none")
            objective = (loss * weight.double()).sum() / weight.double().sum()
            objective.backward()
            if clip is not None:
                torch.nn.utils.clip_grad_norm_(list(parameters.values()), clip)
            optimizer.step()
            if schedule is not None:
                schedule.step()
        for key, value in parameters.items():
            tensors[f"{name}/{key}"] = value.detach()
        index.append({"name": name, "optimizer": OPTIMIZERS[optimizer_name], "schedule": SCHEDULES[schedule_name], "clip": clip})
    return tensors, index
