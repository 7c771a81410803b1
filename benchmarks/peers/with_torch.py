"""PyTorch eager; where the library has one function for a workload, that one."""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.peers import Job, rebinding
from benchmarks.peers.torch_functions import Functions, finish, tensors
from benchmarks.trees import EPS, RATE, Arrays, Tree

LIBRARY = "torch"


def logistic(f: Functions, x: Any) -> tuple[Any, ...]:
    return (f.torch.sigmoid(x),)


def softmax(f: Functions, x: Any) -> tuple[Any, ...]:
    return (f.torch.softmax(x, 1),)


def cross_entropy(f: Functions, x: Any, t: Any) -> tuple[Any, ...]:
    logs = f.torch.log_softmax(x, 0)
    return (-(t * logs).sum(0, keepdim=True), logs.exp_().sub_(t))


def batch_norm(f: Functions, rm: Any, rv: Any, x: Any, gamma: Any, beta: Any) -> tuple[Any, ...]:
    var, mean = f.torch.var_mean(x, 1, correction=0, keepdim=True)
    y = f.torch.batch_norm(
        x[None], gamma.flatten(), beta.flatten(), None, None, True, 0.1, EPS, False
    )[0]
    return (rm.lerp_(mean, 0.1), rv.lerp_(var, 0.1), y)


def layer_norm(f: Functions, x: Any, gain: Any, bias: Any) -> tuple[Any, ...]:
    width = (x.shape[1],)
    return (f.torch.layer_norm(x, width, gain.flatten(), bias.flatten(), 1e-5),)


def adam(f: Functions, p: Any, m: Any, v: Any, g: Any) -> tuple[Any, ...]:
    m.lerp_(g, 0.1)
    v.mul_(0.999).addcmul_(g, g, value=0.001)
    return (p.addcdiv_(m, v.sqrt().add_(1e-8), value=-RATE), m, v)


def rmsprop(f: Functions, p: Any, s: Any, g: Any) -> tuple[Any, ...]:
    s.mul_(0.95).addcmul_(g, g, value=0.05)
    return (p.addcdiv_(g, (s + 1e-6).sqrt_().add_(1e-6), value=-RATE), s)


def sum_of_products(f: Functions, x: Any, z: Any) -> tuple[Any, ...]:
    return (f.torch.dot(x.flatten(), z.flatten()).reshape(1, 1),)


BETTER = {
    "logistic": logistic,
    "softmax": softmax,
    "cross-entropy gradient": cross_entropy,
    "batch norm": batch_norm,
    "layer norm": layer_norm,
    "adam": adam,
    "rmsprop": rmsprop,
    "sum of products": sum_of_products,
}


def make(tree: Tree, inputs: Arrays) -> Job:
    formula = BETTER.get(tree.name, tree.formula)
    return rebinding(partial(formula, Functions()), tree, tensors(inputs), finish)
