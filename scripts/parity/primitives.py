"""Every tensor primitive: value and gradients."""

import torch
import torch.nn.functional as F


def smooth(target, s):
    return target * (1 - s) + s / 2


def softmax_loss(x, y, s):
    logp = F.log_softmax(x, 1)
    return -(1 - s) * logp.gather(1, y[:, None])[:, 0] - s / x.shape[1] * logp.sum(1)


def per_row(loss):
    return loss if loss.dim() == 1 else loss.flatten(1).mean(1)


def batch_norm(x, scale, bias, mean, variance, training=True, epsilon=1e-5):
    mean, variance = mean.clone(), variance.clone()
    out = F.batch_norm(x, mean, variance, scale, bias, training, 0.1, epsilon)
    return out, mean, variance


def cases(draw):
    """Rows of (name, op, inputs, function, more). Float inputs are differentiated unless named in `fixed`."""
    rows = []

    def case(name, op, inputs, function, attributes=None, fixed=(), training=False, buffers=()):
        rows.append((name, op, inputs, function, attributes or {}, set(fixed), training, list(buffers)))

    normal, apart, positive = draw.normal, draw.apart, draw.positive
    n, k, m = draw.size(), draw.size(), draw.size()
    shapes = {"odd": (n, k), "one_row": (1, k), "one_column": (n, 1), "vector": (m,), "three_axes": (3, draw.size(3, 9), 2)}

    unary = {
        "relu": (apart, F.relu, {}),
        "leakyRelu": (apart, lambda x: F.leaky_relu(x, 0.2), {"slope": 0.2}),
        "elu": (apart, lambda x: F.elu(x, 0.7), {"alpha": 0.7}),
        "gelu": (normal, F.gelu, {}),
        "silu": (normal, F.silu, {}),
        "sigmoid": (lambda *shape: normal(*shape) * 5, torch.sigmoid, {}),
        "tanh": (normal, torch.tanh, {}),
        "softplus": (lambda *shape: normal(*shape) * 8, F.softplus, {}),
        "softmax": (normal, lambda x: F.softmax(x, -1), {}),
        "logSoftmax": (normal, lambda x: F.log_softmax(x, -1), {}),
        "sqrt": (positive, torch.sqrt, {}),
        "negate": (normal, torch.neg, {}),
        "abs": (apart, torch.abs, {}),
        "exp": (normal, torch.exp, {}),
        "log": (positive, torch.log, {}),
        "square": (normal, torch.square, {}),
    }
    for label, shape in shapes.items():
        case(f"add/{label}", "add", [normal(*shape), normal(*shape)], lambda a, b: a + b)
        for op, (values, function, attributes) in unary.items():
            case(f"{op}/{label}", op, [values(*shape)], function, attributes)
    case("add/broadcast", "add", [normal(n, k), normal(k)], lambda a, b: a + b)
    case("add/zero_rows", "add", [normal(0, 3), normal(0, 3)], lambda a, b: a + b)
    case("subtract", "subtract", [normal(n, k), normal(n, k)], lambda a, b: a - b)
    case("multiply/broadcast", "multiply", [normal(n, k), normal(n, 1)], lambda a, b: a * b)
    case("divide", "divide", [normal(n, k), positive(n, k)], lambda a, b: a / b)
    case("minimum", "minimum", [normal(n, k), normal(n, k)], torch.minimum)
    case("maximum", "maximum", [normal(n, k), normal(n, k)], torch.maximum)

    same, other = normal(m), normal(m)
    mixed = torch.where(draw.bits(m), same, other)
    case("equal", "equal", [same, mixed], lambda a, b: a == b, fixed=[0, 1])
    case("greater", "greater", [same, mixed], lambda a, b: a > b, fixed=[0, 1])
    case("greaterOrEqual", "greaterOrEqual", [same, mixed], lambda a, b: a >= b, fixed=[0, 1])
    case("not", "not", [draw.bits(m)], torch.logical_not)
    case("where", "where", [draw.bits(n, k), normal(n, k), normal(n, k)], torch.where)
    case("cast/bool", "cast", [draw.bits(m)], lambda x: x.float(), {"to": "float32"})
    case("cast/float64", "cast", [normal(m)], lambda x: x.double(), {"to": "float64"})

    case("concat/axis1", "concat", [normal(n, 3), normal(n, 1), normal(n, k)], lambda *x: torch.cat(x, 1), {"axis": 1})
    case("concat/axis0", "concat", [normal(2, k), normal(n, k)], lambda *x: torch.cat(x, 0), {"axis": 0})
    case("expandDims", "expandDims", [normal(m)], lambda x: x.unsqueeze(1), {"axis": 1})
    case("squeeze", "squeeze", [normal(m, 1)], lambda x: x.squeeze(1), {"axis": 1})
    wide = draw.size(5)
    case("slice", "slice", [normal(n, wide)], lambda x: x[:, 2 : wide - 1], {"axis": 1, "skipFirst": 2, "skipLast": 1})
    case("reduceSum", "reduceSum", [normal(n, k)], lambda x: x.sum(1), {"axis": 1})
    case("reduceMean", "reduceMean", [normal(n, k)], lambda x: x.mean(1), {"axis": 1})
    case("oneHot", "oneHot", [draw.below(k, n)], lambda x: F.one_hot(x, k).float(), {"depthSymbol": None, "depthPlus": k})

    case("matmul", "matmul", [normal(n, k), normal(k, m)], torch.matmul)
    case("matmul/three_axes", "matmul", [normal(3, n, k), normal(k, 2)], torch.matmul)
    case("linear", "linear", [normal(n, k), normal(m, k), normal(m)], F.linear)
    case("linear/no_bias", "linear", [normal(1, k), normal(m, k)], F.linear)
    case("linear/three_axes", "linear", [normal(3, n, k), normal(m, k), normal(m)], F.linear)
    case("linear/zero_rows", "linear", [normal(0, 3), normal(5, 3), normal(5)], F.linear)
    case("embedding", "embedding", [draw.below(k, n), normal(k, 3)], F.embedding)

    case("dropout/evaluation", "dropout", [normal(n, k)], lambda x: x, {"rate": 0.4})
    # Statistics over few values leave gradients that are rounding alone: five rows or five columns at least.
    rows_, width = draw.size(5), draw.size(5)
    running = [normal(width), positive(width)]
    norm = {"epsilon": 1e-5, "momentum": 0.1}
    inputs = [normal(rows_, width) * 3 + 1, normal(width), normal(width)]
    case("batchNorm/training", "batchNorm", inputs, batch_norm, norm, training=True, buffers=running)
    case("batchNorm/evaluation", "batchNorm", inputs, lambda *x: batch_norm(*x, training=False), norm, buffers=running)
    # Two rows are -1 and 1 whatever they were, but for a large epsilon: without it their gradient is rounding alone.
    two = lambda *x: batch_norm(*x, epsilon=0.5)
    case("batchNorm/two_rows", "batchNorm", [normal(2, 3), normal(3), normal(3)], two, {"epsilon": 0.5, "momentum": 0.1}, training=True, buffers=[normal(3), positive(3)])
    layer_norm = lambda x, s, b: F.layer_norm(x, (width,), s, b, 1e-5)
    case("layerNorm", "layerNorm", inputs, layer_norm, {"epsilon": 1e-5})
    case("layerNorm/three_axes", "layerNorm", [normal(2, 3, width), normal(width), normal(width)], layer_norm, {"epsilon": 1e-5})

    classes = draw.size(3, 11)
    for s in (0.0, 0.1):
        case(f"sigmoidCrossEntropy/{s}", "sigmoidCrossEntropy", [normal(m) * 6, draw.bits(m).float()], lambda x, y, s=s: F.binary_cross_entropy_with_logits(x, smooth(y, s), reduction="none"), {"smoothing": s}, fixed=[1])
        case(f"softmaxCrossEntropy/{s}", "softmaxCrossEntropy", [normal(n, classes) * 4, draw.below(classes, n)], lambda x, y, s=s: softmax_loss(x, y, s), {"smoothing": s})
    for label, shape in {"vector": (m,), "targets": (n, 3)}.items():
        case(f"squaredError/{label}", "squaredError", [normal(*shape), normal(*shape)], lambda x, y: per_row((x - y) ** 2))
        case(f"absoluteError/{label}", "absoluteError", [normal(*shape), normal(*shape)], lambda x, y: per_row((x - y).abs()))
        case(f"huberError/{label}", "huberError", [normal(*shape) * 2, normal(*shape)], lambda x, y: per_row(F.huber_loss(x, y, reduction="none", delta=0.8)), {"delta": 0.8})
    return rows


def vectors(draw):
    tensors, index = {}, []
    for name, op, inputs, function, attributes, fixed, training, buffers in cases(draw):
        values = [x.clone() for x in inputs]
        trained = [i for i, x in enumerate(values) if x.is_floating_point() and i not in fixed]
        for i in trained:
            values[i].requires_grad_(True)
        result = function(*values, *buffers)
        out = result[0] if isinstance(result, tuple) else result
        for i, x in enumerate(inputs):
            tensors[f"{name}/in{i}"] = x
        for i, x in enumerate(buffers):
            tensors[f"{name}/buffer{i}"] = x
            tensors[f"{name}/after{i}"] = result[1 + i]
        tensors[f"{name}/out"] = out.detach()
        if trained:
            cotangent = draw.normal(*out.shape).to(out.dtype)
            tensors[f"{name}/cotangent"] = cotangent
            grads = torch.autograd.grad(out, [values[i] for i in trained], cotangent)
            for i, grad in zip(trained, grads):
                tensors[f"{name}/grad{i}"] = grad
        index.append({"name": name, "op": op, "attributes": attributes, "inputs": len(inputs), "buffers": len(buffers), "trained": trained, "training": training})
    return tensors, index
