"""Writes test/parity/native/vectors/: what PyTorch computes for every tensor primitive, optimizer and schedule.

Run with the pinned environment of test/peers (torch, numpy, safetensors):
    python scripts/make-parity-vectors.py
Inputs are seeded; each file carries its cases as JSON in its metadata.
"""

import json
import math
import os

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

OUT = os.path.join(os.path.dirname(__file__), "..", "test", "parity", "native", "vectors")
torch.manual_seed(20260101)
torch.set_num_threads(1)


def normal(*shape):
    return torch.randn(*shape, dtype=torch.float32)


def apart(*shape):
    """Values away from 0, where kinked functions have no derivative."""
    x = normal(*shape)
    return x + 0.05 * torch.sign(x)


def positive(*shape):
    return torch.rand(*shape, dtype=torch.float32) + 0.1


def smooth(target, s):
    return target * (1 - s) + s / 2


def softmax_loss(x, y, s):
    logp = F.log_softmax(x, 1)
    return -(1 - s) * logp.gather(1, y[:, None])[:, 0] - s / x.shape[1] * logp.sum(1)


def per_row(loss):
    return loss if loss.dim() == 1 else loss.flatten(1).mean(1)


def batch_norm_training(x, scale, bias, mean, variance):
    mean, variance = mean.clone(), variance.clone()
    out = F.batch_norm(x, mean, variance, scale, bias, True, 0.1, 1e-5)
    return out, mean, variance


# name: (op, attributes, inputs, function). Float inputs are differentiated unless named in `fixed`.
CASES = []


def case(name, op, inputs, function, attributes=None, fixed=(), training=False, buffers=None):
    CASES.append((name, op, attributes or {}, inputs, function, set(fixed), training, buffers))


SHAPES = {"odd": (7, 13), "one_row": (1, 5), "one_column": (33, 1), "vector": (17,), "three_axes": (3, 5, 2)}
for label, shape in SHAPES.items():
    case(f"add/{label}", "add", [normal(*shape), normal(*shape)], lambda a, b: a + b)
    case(f"relu/{label}", "relu", [apart(*shape)], F.relu)
    case(f"gelu/{label}", "gelu", [normal(*shape)], F.gelu)
    case(f"softmax/{label}", "softmax", [normal(*shape)], lambda x: F.softmax(x, -1))
case("add/broadcast", "add", [normal(7, 13), normal(13)], lambda a, b: a + b)
case("add/zero_rows", "add", [normal(0, 3), normal(0, 3)], lambda a, b: a + b)
case("linear/zero_rows", "linear", [normal(0, 3), normal(5, 3), normal(5)], F.linear)
case("subtract", "subtract", [normal(7, 13), normal(7, 13)], lambda a, b: a - b)
case("multiply/broadcast", "multiply", [normal(7, 13), normal(7, 1)], lambda a, b: a * b)
case("divide", "divide", [normal(7, 13), positive(7, 13)], lambda a, b: a / b)
case("minimum", "minimum", [normal(7, 13), normal(7, 13)], torch.minimum)
case("maximum", "maximum", [normal(7, 13), normal(7, 13)], torch.maximum)
case("sqrt", "sqrt", [positive(7, 13)], torch.sqrt)
case("negate", "negate", [normal(7, 13)], torch.neg)
case("abs", "abs", [apart(7, 13)], torch.abs)
case("exp", "exp", [normal(7, 13)], torch.exp)
case("log", "log", [positive(7, 13)], torch.log)
case("square", "square", [normal(7, 13)], torch.square)
same = normal(9)
case("equal", "equal", [same, torch.where(torch.arange(9) % 2 == 0, same, same + 1)], lambda a, b: a == b, fixed=[0, 1])
case("greater", "greater", [normal(9), normal(9)], lambda a, b: a > b, fixed=[0, 1])
case("greaterOrEqual", "greaterOrEqual", [same, same.roll(1)], lambda a, b: a >= b, fixed=[0, 1])
case("not", "not", [normal(9) > 0], torch.logical_not)
case("where", "where", [normal(7, 13) > 0, normal(7, 13), normal(7, 13)], torch.where)
case("cast/bool", "cast", [normal(9) > 0], lambda x: x.float(), {"to": "float32"})
case("cast/float64", "cast", [normal(9)], lambda x: x.double(), {"to": "float64"})
case("concat/axis1", "concat", [normal(5, 3), normal(5, 1), normal(5, 4)], lambda *x: torch.cat(x, 1), {"axis": 1})
case("concat/axis0", "concat", [normal(2, 3), normal(4, 3)], lambda *x: torch.cat(x, 0), {"axis": 0})
case("expandDims", "expandDims", [normal(9)], lambda x: x.unsqueeze(1), {"axis": 1})
case("squeeze", "squeeze", [normal(9, 1)], lambda x: x.squeeze(1), {"axis": 1})
case("slice", "slice", [normal(7, 13)], lambda x: x[:, 2:12], {"axis": 1, "skipFirst": 2, "skipLast": 1})
case("reduceSum", "reduceSum", [normal(7, 13)], lambda x: x.sum(1), {"axis": 1})
case("reduceMean", "reduceMean", [normal(7, 13)], lambda x: x.mean(1), {"axis": 1})
case("oneHot", "oneHot", [torch.tensor([0, 3, 2, 3])], lambda x: F.one_hot(x, 5).float(), {"depthSymbol": None, "depthPlus": 5})
case("matmul", "matmul", [normal(7, 13), normal(13, 3)], torch.matmul)
case("matmul/three_axes", "matmul", [normal(3, 5, 4), normal(4, 2)], torch.matmul)
case("linear", "linear", [normal(7, 13), normal(5, 13), normal(5)], F.linear)
case("linear/no_bias", "linear", [normal(1, 13), normal(5, 13)], F.linear)
case("linear/three_axes", "linear", [normal(3, 2, 13), normal(5, 13), normal(5)], F.linear)
case("embedding", "embedding", [torch.tensor([4, 0, 4, 1]), normal(5, 3)], F.embedding)
case("leakyRelu", "leakyRelu", [apart(7, 13)], lambda x: F.leaky_relu(x, 0.2), {"slope": 0.2})
case("elu", "elu", [apart(7, 13)], lambda x: F.elu(x, 0.7), {"alpha": 0.7})
case("silu", "silu", [normal(7, 13)], F.silu)
case("sigmoid", "sigmoid", [normal(7, 13) * 5], torch.sigmoid)
case("tanh", "tanh", [normal(7, 13)], torch.tanh)
case("softplus", "softplus", [normal(7, 13) * 8], F.softplus)
case("logSoftmax", "logSoftmax", [normal(7, 13)], lambda x: F.log_softmax(x, -1))
case("dropout/evaluation", "dropout", [normal(7, 13)], lambda x: x, {"rate": 0.4})
running = [normal(13), positive(13)]
norm = {"epsilon": 1e-5, "momentum": 0.1}
case("batchNorm/training", "batchNorm", [normal(7, 13) * 3 + 1, normal(13), normal(13)], batch_norm_training, norm, training=True, buffers=running)
case("batchNorm/evaluation", "batchNorm", [normal(7, 13), normal(13), normal(13)], lambda x, s, b, m, v: (F.batch_norm(x, m, v, s, b, False, 0.1, 1e-5), m, v), norm, buffers=running)
case("batchNorm/two_rows", "batchNorm", [normal(2, 3), normal(3), normal(3)], batch_norm_training, norm, training=True, buffers=[normal(3), positive(3)])
case("layerNorm", "layerNorm", [normal(7, 13) * 3 + 1, normal(13), normal(13)], lambda x, s, b: F.layer_norm(x, (13,), s, b, 1e-5), {"epsilon": 1e-5})
case("layerNorm/three_axes", "layerNorm", [normal(2, 3, 18), normal(18), normal(18)], lambda x, s, b: F.layer_norm(x, (18,), s, b, 1e-5), {"epsilon": 1e-5})
binary = (torch.rand(17) > 0.5).float()
for s in (0.0, 0.1):
    case(f"sigmoidCrossEntropy/{s}", "sigmoidCrossEntropy", [normal(17) * 6, binary], lambda x, y, s=s: F.binary_cross_entropy_with_logits(x, smooth(y, s), reduction="none"), {"smoothing": s}, fixed=[1])
    case(f"softmaxCrossEntropy/{s}", "softmaxCrossEntropy", [normal(7, 5) * 4, torch.tensor([0, 4, 2, 2, 1, 3, 0])], lambda x, y, s=s: softmax_loss(x, y, s), {"smoothing": s})
for label, shape in {"vector": (17,), "targets": (7, 3)}.items():
    case(f"squaredError/{label}", "squaredError", [normal(*shape), normal(*shape)], lambda x, y: per_row((x - y) ** 2))
    case(f"absoluteError/{label}", "absoluteError", [normal(*shape), normal(*shape)], lambda x, y: per_row((x - y).abs()))
    case(f"huberError/{label}", "huberError", [normal(*shape) * 2, normal(*shape)], lambda x, y: per_row(F.huber_loss(x, y, reduction="none", delta=0.8)), {"delta": 0.8})


def write_primitives():
    tensors, index = {}, []
    for name, op, attributes, inputs, function, fixed, training, buffers in CASES:
        values = [x.clone() for x in inputs]
        trained = [i for i, x in enumerate(values) if x.is_floating_point() and i not in fixed]
        for i in trained:
            values[i].requires_grad_(True)
        result = function(*values, *(buffers or []))
        out = result[0] if isinstance(result, tuple) else result
        for i, x in enumerate(inputs):
            tensors[f"{name}/in{i}"] = x
        for i, x in enumerate(buffers or []):
            tensors[f"{name}/buffer{i}"] = x
            tensors[f"{name}/after{i}"] = result[1 + i]
        tensors[f"{name}/out"] = out.detach()
        if trained:
            cotangent = torch.randn(out.shape, dtype=out.dtype)
            tensors[f"{name}/cotangent"] = cotangent
            grads = torch.autograd.grad(out, [values[i] for i in trained], cotangent)
            for i, grad in zip(trained, grads):
                tensors[f"{name}/grad{i}"] = grad
        index.append({"name": name, "op": op, "attributes": attributes, "inputs": len(inputs), "buffers": len(buffers or []), "trained": trained, "training": training})
    write("primitives", tensors, index)


# Full-batch training of a network of two layers in float64, 20 steps.
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


def write_trajectories():
    generator = torch.Generator().manual_seed(7)
    rows, width, hidden = 24, 5, 6
    # Float32 values, as a feed holds them. One batch is the whole split, so the order of rows is immaterial up to rounding.
    x = torch.randn(rows, width, generator=generator)
    y = (x.sum(1) > 0).float()
    weight = torch.rand(rows, generator=generator).add(0.5)
    start = {
        "hidden/weight": torch.randn(hidden, width, generator=generator).double() * 0.5,
        "hidden/bias": torch.randn(hidden, generator=generator).double() * 0.1,
        "last/weight": torch.randn(1, hidden, generator=generator).double() * 0.5,
        "last/bias": torch.randn(1, generator=generator).double() * 0.1,
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
    write("trajectories", tensors, index)


def write(name, tensors, index):
    os.makedirs(OUT, exist_ok=True)
    save_file({key: value.detach().clone().contiguous() for key, value in tensors.items()}, os.path.join(OUT, f"{name}.safetensors"), {"cases": json.dumps(index), "torch": torch.__version__})
    print(f"{name}: {len(index)} cases, {len(tensors)} tensors")


write_primitives()
write_trajectories()
