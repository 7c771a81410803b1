"""A network with a residual block, paths side by side and two outputs is that of PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neonport.initializers import Gaussian
from neonport.layers import (
    Affine,
    BranchNode,
    GeneralizedCost,
    GeneralizedGANCost,
    GenerativeAdversarial,
    Linear,
    MergeBroadcast,
    Multicost,
    Residual,
    Tree,
)
from neonport.models import GAN, Model
from neonport.optimizers import GradientDescentMomentum
from neonport.transforms import GANCost, Logistic, SumSquared, Tanh

pytestmark = pytest.mark.interop
N = 4


def tensor(values: Any) -> Any:
    import torch

    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def rand(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.RandomState(seed).randn(*shape)


def test_a_tree_with_a_residual_block_and_a_concatenation(be64: Any) -> None:
    import torch

    init, fork = Gaussian(scale=0.5), BranchNode()
    below = Affine(5, init, activation=Tanh())
    inner = [Affine(6, init, activation=Tanh()), Linear(5, init)]
    top, left, right, side = Linear(2, init), Affine(3, init, activation=Tanh()), *lins(init)
    pair = MergeBroadcast([left, right], "stack")
    model = Model(Tree([[below, fork, Residual(inner), top], [fork, pair, side]]))
    cost = Multicost([GeneralizedCost(SumSquared()) for _ in range(2)], weights=[1.0, 0.3])
    model.initialize(3, cost)
    x, t = rand(3, N), [rand(2, N, seed=1), rand(3, N, seed=2)]
    targets = [be64.array(part) for part in t]
    y = model.fprop(be64.array(x))
    value = cost.get_cost(y, targets)
    model.bprop(cost.get_errors(y, targets))

    layers = [below[0], inner[0][0], inner[1], top, left[0], right, side]
    w = [tensor(layer.W.get()) for layer in layers]
    h = torch.tanh(w[0] @ tensor(x))
    trunk = w[3] @ (h + w[2] @ torch.tanh(w[1] @ h))
    path = w[6] @ torch.cat([torch.tanh(w[4] @ h), w[5] @ h])
    total = 0.5 * ((trunk - tensor(t[0])) ** 2).sum() + 0.15 * ((path - tensor(t[1])) ** 2).sum()
    total.backward()
    np.testing.assert_allclose(value.item() * N, total.item(), rtol=1e-9)
    for found, wanted in zip(y, (trunk, path), strict=True):
        np.testing.assert_allclose(found.get(), wanted.detach().numpy(), rtol=1e-9, atol=1e-12)
    for layer, weights in zip(layers, w, strict=True):
        np.testing.assert_allclose(layer.dW.get(), weights.grad.numpy(), rtol=1e-8, atol=1e-10)


def lins(init: Any) -> tuple[Linear, Linear]:
    return Linear(4, init), Linear(3, init)


@pytest.mark.parametrize("func", ["modified", "original", "wasserstein"])
def test_a_step_of_an_adversarial_pair(be64: Any, func: str) -> None:
    import torch

    init, rate = Gaussian(scale=0.5), 0.3
    scores = func == "wasserstein"
    last = None if scores else Logistic()
    layers = GenerativeAdversarial(
        [Affine(4, init, activation=Tanh()), Linear(3, init)],
        [Affine(5, init, activation=Tanh()), Affine(1, init, activation=last)],
    )
    model = GAN(layers, noise_dim=2)
    model.initialize(3, GeneralizedGANCost(GANCost(func=func)))
    model.optimizer = GradientDescentMomentum(rate, 0.0)
    model.current_batch = 1  # the generator's turn
    noise: list[Any] = []
    fill = model.fill_noise

    def kept(z: Any) -> None:
        fill(z)
        noise.append(tensor(z.get()))

    model.fill_noise = kept  # type: ignore[method-assign]
    halves = [
        [x for x in half.layers if hasattr(x, "W")]
        for half in (model.generator, model.discriminator)
    ]
    (g1, g2), (d1, d2) = ([tensor(layer.W.get()) for layer in half] for half in halves)
    x = rand(3, N, seed=3)
    for part in model.step_parts(be64.array(x), None, 0, lambda cost: None):
        part.run()

    def generated(z: Any) -> Any:
        return g2 @ torch.tanh(g1 @ z)

    def judged(v: Any) -> Any:
        score = d2 @ torch.tanh(d1 @ v)
        return score if scores else torch.sigmoid(score)

    data, made = judged(tensor(x)), judged(generated(noise[0]))
    loss = (data - made if scores else -(torch.log(data) + torch.log(1 - made))).sum()
    gradients = torch.autograd.grad(loss, [d1, d2])
    d1, d2 = (w - rate / N * g for w, g in zip((d1, d2), gradients, strict=True))
    made = judged(generated(noise[1]))
    terms = {"original": torch.log(1 - made), "modified": -torch.log(made), "wasserstein": made}
    loss = terms[func].sum()
    gradients = torch.autograd.grad(loss, [g1, g2])
    g1, g2 = (w - rate / N * g for w, g in zip((g1, g2), gradients, strict=True))
    found = [layer.W.get() for half in halves for layer in half]
    for values, wanted in zip(found, (g1, g2, d1, d2), strict=True):
        np.testing.assert_allclose(values, wanted.detach().numpy(), rtol=1e-8, atol=1e-10)
