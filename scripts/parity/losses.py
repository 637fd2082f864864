"""Every loss, with class weights, label smoothing and the rows' own weights: what the rows give, and the gradient of their sum.

torch weighs the smoothing term of F.cross_entropy by class, Millrace weighs rows: with both, the rows are weighed here.
"""

import torch
import torch.nn.functional as F


def binary(x, label, weight, options):
    s = options.get("labelSmoothing", 0)
    return F.binary_cross_entropy_with_logits(x, label * (1 - s) + s / 2, weight=weight, reduction="none")


def categorical(x, label, weight, options):
    return F.cross_entropy(x, label, label_smoothing=options.get("labelSmoothing", 0), reduction="none") * weight


def regression(function):
    def run(x, label, weight, options):
        return function(x, label, options).mean(1) * weight

    return run


KINDS = {
    "binaryCrossEntropy": ("binary", binary),
    "categoricalCrossEntropy": ("multiclass", categorical),
    "meanSquaredError": ("regression", regression(lambda x, y, o: F.mse_loss(x, y, reduction="none"))),
    "meanAbsoluteError": ("regression", regression(lambda x, y, o: F.l1_loss(x, y, reduction="none"))),
    "huber": ("regression", regression(lambda x, y, o: F.huber_loss(x, y, reduction="none", delta=o.get("delta", 1.0)))),
}


def cases(draw):
    """Rows of (name, kind, options, classes or targets, whether rows have weights)."""
    classes = draw.size(3, 9)  # names c0 … c8 sort as their numbers do
    named = {f"c{i}": draw.number(0.2, 4) for i in range(0, classes, 2)}
    binary_weights = {"false": draw.number(0.2, 4), "true": draw.number(0.2, 4)}
    rows = []
    for kind, width, weights in (("binaryCrossEntropy", 1, binary_weights), ("categoricalCrossEntropy", classes, named)):
        for options in ({}, {"classWeights": weights}, {"labelSmoothing": 0.1}, {"classWeights": weights, "labelSmoothing": draw.number(0.01, 0.5)}):
            for weighted in (False, True):
                name = "/".join([kind, *options, *(["rowWeights"] if weighted else [])])
                rows.append((name, kind, options, width, weighted))
    for kind in ("meanSquaredError", "meanAbsoluteError", "huber"):
        for targets in (1, 3):
            for weighted in (False, True):
                options = {"delta": draw.number(0.3, 2)} if kind == "huber" and weighted else {}
                rows.append((f"{kind}/{targets}{'/rowWeights' if weighted else ''}", kind, options, targets, weighted))
    return rows


def vectors(draw):
    tensors, index = {}, []
    for name, kind, options, width, weighted in cases(draw):
        task, function = KINDS[kind]
        rows = draw.size(13, 41)
        ones = torch.ones(rows)
        weight = draw.positive(rows) * 3 if weighted else ones
        if task == "binary":
            x, label = draw.normal(rows) * 4, draw.every(2, rows).float()
            factors = [options.get("classWeights", {}).get(c, 1) for c in ("false", "true")]
        elif task == "multiclass":
            x, label = draw.normal(rows, width) * 4, draw.every(width, rows)
            factors = [options.get("classWeights", {}).get(f"c{i}", 1) for i in range(width)]
        else:
            x, label, factors = draw.normal(rows, width) * 2, draw.normal(rows, width), None
        whole = weight if factors is None else weight * torch.tensor(factors, dtype=torch.float32)[label.long()]
        leaf = x.clone().requires_grad_(True)
        loss = function(leaf, label, whole, options)
        (grad,) = torch.autograd.grad(loss.sum(), [leaf])
        if task == "multiclass" and "labelSmoothing" not in options:
            # torch's own class weights say the same.
            own = F.cross_entropy(x, label, weight=torch.tensor(factors, dtype=torch.float32), reduction="none") * weight
            torch.testing.assert_close(own, loss.detach(), rtol=1e-6, atol=1e-6)
        tensors.update({f"{name}:prediction": x, f"{name}:label": label, f"{name}:weight": weight, f"{name}:whole": whole, f"{name}:loss": loss.detach(), f"{name}:grad": grad})
        index.append({"name": name, "kind": kind, "task": task, "options": options, "weighted": weighted})
    return tensors, index
