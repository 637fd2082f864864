"""Every layer: output, gradients of input and parameters, running statistics.

A case is written as Millrace's layers are, [kind, options] each, and run with torch.nn.functional. Parameters have the
names that Millrace's tracer gives them: the scopes of the layers around them, `_1`, `_2`, … where a scope comes again.
"""

import torch
import torch.nn.functional as F

ACTIVATIONS = {
    "relu": lambda x, o: F.relu(x),
    "leakyRelu": lambda x, o: F.leaky_relu(x, o.get("slope", 0.01)),
    "elu": lambda x, o: F.elu(x, o.get("alpha", 1.0)),
    "gelu": lambda x, o: F.gelu(x),
    "silu": lambda x, o: F.silu(x),
    "sigmoid": lambda x, o: torch.sigmoid(x),
    "tanh": lambda x, o: torch.tanh(x),
    "softplus": lambda x, o: F.softplus(x),
}


class Model:
    """Runs layers and makes their parameters on the way."""

    def __init__(self, draw, training, output_width):
        self.draw, self.training, self.output_width = draw, training, output_width
        self.parameters, self.before, self.after, self.scopes = {}, {}, {}, {}

    def parameter(self, name, *shape):
        self.parameters[name] = self.draw.normal(*shape).requires_grad_(True)
        return self.parameters[name]

    def scope(self, path):
        count = self.scopes.get(path, 0)
        self.scopes[path] = count + 1
        return path if count == 0 else f"{path}_{count}"

    def sequence(self, layers, x, outer=""):
        for kind, options in layers:
            x = self.layer(kind, options, x, outer)
        return x

    def linear(self, x, units, scope, bias=True):
        weight = self.parameter(f"{scope}/weight", units, x.shape[-1])
        return F.linear(x, weight, self.parameter(f"{scope}/bias", units) if bias else None)

    def layer(self, kind, options, x, outer):
        scope = self.scope(f"{outer}{kind}")
        if kind in ACTIVATIONS:
            return ACTIVATIONS[kind](x, options)
        if kind == "dense":
            y = self.linear(x, options["units"], scope, options.get("bias", True))
            activation = options.get("activation")
            return y if activation is None else self.sequence([[activation, {}]], y, f"{scope}/")
        if kind == "output":
            return self.linear(x, self.output_width, scope)
        if kind == "dropout":
            return F.dropout(x, options["rate"], False)
        if kind == "layerNorm":
            width = x.shape[-1]
            return F.layer_norm(x, (width,), self.parameter(f"{scope}/scale", width), self.parameter(f"{scope}/bias", width), options.get("epsilon", 1e-5))
        if kind == "batchNorm":
            return self.batch_norm(x, options, scope)
        if kind == "embedding":
            return F.embedding(x, self.parameter(f"{scope}/table", options["size"], options["dimension"]))
        if kind == "concatenate":
            return torch.cat([self.sequence(branch, x, f"{scope}/") for branch in options["branches"]], 1)
        if kind == "residual":
            return x + self.sequence(options["layers"], x, f"{scope}/")
        raise ValueError(kind)

    def batch_norm(self, x, options, scope):
        width = x.shape[-1]
        scale, bias = self.parameter(f"{scope}/scale", width), self.parameter(f"{scope}/bias", width)
        self.before[f"{scope}/mean"], self.before[f"{scope}/variance"] = self.draw.normal(width), self.draw.positive(width)
        mean, variance = self.before[f"{scope}/mean"].clone(), self.before[f"{scope}/variance"].clone()
        y = F.batch_norm(x, mean, variance, scale, bias, self.training, options.get("momentum", 0.1), options.get("epsilon", 1e-5))
        self.after[f"{scope}/mean"], self.after[f"{scope}/variance"] = mean, variance
        return y


def cases(draw):
    """Rows of (name, layers, input, training, output width)."""
    n, k, units = draw.size(5), draw.size(5), draw.size()
    x = lambda: draw.apart(n, k)
    rows = []
    for name in ACTIVATIONS:
        rows.append((name, [[name, {}]], x(), False, 1))
        rows.append((f"dense/{name}", [["dense", {"units": units, "activation": name}]], x(), False, 1))
    rows += [
        ("leakyRelu/slope", [["leakyRelu", {"slope": draw.number(0.1, 0.9)}]], x(), False, 1),
        ("elu/alpha", [["elu", {"alpha": draw.number(0.2, 2)}]], x(), False, 1),
        ("dense", [["dense", {"units": units}]], x(), False, 1),
        ("dense/one_row", [["dense", {"units": units}]], draw.normal(1, k), False, 1),
        ("dense/one_column", [["dense", {"units": 1}]], draw.normal(n, 1), False, 1),
        ("dense/no_rows", [["dense", {"units": units}]], draw.normal(0, k), False, 1),
        ("dense/no_bias", [["dense", {"units": units, "bias": False}]], x(), False, 1),
        ("dropout/evaluation", [["dropout", {"rate": 0.3}]], x(), False, 1),
        ("batchNorm/training", [["batchNorm", {}]], draw.normal(n, k) * 3 + 1, True, 1),
        ("batchNorm/evaluation", [["batchNorm", {}]], draw.normal(n, k), False, 1),
        ("batchNorm/options", [["batchNorm", {"epsilon": 0.01, "momentum": draw.number(0.05, 0.9)}]], draw.normal(n, k), True, 1),
        ("layerNorm", [["layerNorm", {}]], draw.normal(n, k) * 3 + 1, True, 1),
        ("layerNorm/epsilon", [["layerNorm", {"epsilon": 0.01}]], draw.normal(n, k), True, 1),
        ("embedding", [["embedding", {"size": k, "dimension": units}]], draw.below(k, n), False, 1),
        ("output/one", [["output", {}]], x(), False, 1),
        ("output/several", [["output", {}]], x(), False, draw.size()),
        ("residual", [["residual", {"layers": [["dense", {"units": k, "activation": "tanh"}], ["dense", {"units": k}]]}]], x(), False, 1),
        ("concatenate", [["concatenate", {"branches": [[["dense", {"units": units}]], [["tanh", {}], ["dense", {"units": 3}]], [["silu", {}]]]}]], x(), False, 1),
        (
            "a whole network",
            [
                ["dense", {"units": units, "activation": "gelu"}],
                ["layerNorm", {}],
                ["residual", {"layers": [["dense", {"units": units, "activation": "silu"}], ["dropout", {"rate": 0.5}]]}],
                ["concatenate", {"branches": [[["dense", {"units": 5, "activation": "sigmoid"}]], [["elu", {}]]]}],
                ["output", {}],
            ],
            x(),
            False,
            draw.size(3, 9),
        ),
    ]
    return rows


def vectors(draw):
    tensors, index = {}, []
    for name, layers, x, training, output_width in cases(draw):
        model = Model(draw, training, output_width)
        leaf = x.clone()
        is_trained = leaf.is_floating_point()
        if is_trained:
            leaf.requires_grad_(True)
        out = model.sequence(layers, leaf)
        cotangent = draw.normal(*out.shape)
        leaves = {**model.parameters, **({"x": leaf} if is_trained else {})}
        grads = torch.autograd.grad(out, list(leaves.values()), cotangent)
        tensors.update({f"{name}:x": x, f"{name}:out": out.detach(), f"{name}:cotangent": cotangent})
        tensors.update({f"{name}:grad:{key}": grad for key, grad in zip(leaves, grads)})
        tensors.update({f"{name}:parameter:{key}": value.detach() for key, value in model.parameters.items()})
        tensors.update({f"{name}:before:{key}": value for key, value in model.before.items()})
        tensors.update({f"{name}:after:{key}": value for key, value in model.after.items()})
        index.append({"name": name, "layers": layers, "training": training, "outputWidth": output_width, "parameters": list(model.parameters), "buffers": list(model.before)})
    return tensors, index
