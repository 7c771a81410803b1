"""A small transformer: embedding, one pre-norm block, classes of the next letter; ours and peers'.

Attention and a feed-forward network of four times the width, each on normalised inputs and added to
them; a last normalisation; softmax and cross entropy; momentum. Each builder takes the same data
and gives (step, arrays to compare: the loss of the last step).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

RATE, MOMENTUM = 0.1, 0.9
EPSILON = 1e-5
Data = dict[str, np.ndarray]
Built = tuple[Callable[[], object], Callable[[], list[np.ndarray]]]


@dataclass(frozen=True)
class Sizes:
    """Sizes of a transformer."""

    batch: int = 16
    steps: int = 64
    width: int = 64
    heads: int = 4
    letters: int = 65

    @property
    def name(self) -> str:
        """What is printed."""
        return (
            f"transformer, {self.steps} steps, width {self.width}, {self.heads} heads, "
            f"batch {self.batch}, momentum"
        )

    def operations(self) -> float:
        """Floating point operations of a step, the products alone."""
        tokens = self.batch * self.steps
        weights = 12 * self.width**2 + self.width * self.letters
        scores = 2 * self.steps * self.width  # with keys and with values
        return 6.0 * tokens * (weights + scores)

    def data(self) -> Data:
        """Fresh letters, the next ones, and weights, outputs first."""
        rng = np.random.default_rng()

        def weights(rows: int, columns: int) -> np.ndarray:
            return (rng.normal(size=(rows, columns)) * columns**-0.5).astype(np.float32)

        text = rng.integers(self.letters, size=(self.steps + 1, self.batch))
        width = self.width
        return {
            "x": text[:-1].astype(np.float32),
            "t": text[1:],
            "table": weights(self.letters, width),
            "qkv": weights(3 * width, width),
            "out": weights(width, width),
            "up": weights(4 * width, width),
            "down": weights(width, 4 * width),
            "classes": weights(self.letters, width),
        }


def ours(be: Any, sizes: Sizes, data: Data) -> Built:
    """Layers, and the calls that `Model.fit` makes."""
    from neonport.layers import (
        Affine,
        GeneralizedCost,
        LayerNorm,
        LookupTable,
        MultiHeadAttention,
        Residual,
    )
    from neonport.models import Model
    from neonport.optimizers import GradientDescentMomentum
    from neonport.transforms import GELU, SoftmaxCrossEntropy

    width = sizes.width
    attention = MultiHeadAttention(sizes.heads, np.zeros((1, 1)), causal=True)
    layers = [
        LookupTable(sizes.letters, width, data["table"]),
        Residual([LayerNorm(EPSILON), attention]),
        Residual(
            [
                LayerNorm(EPSILON),
                Affine(4 * width, data["up"], activation=GELU("tanh")),
                Affine(width, data["down"]),
            ]
        ),
        LayerNorm(EPSILON),
        Affine(sizes.letters, data["classes"]),
    ]
    attention.set_params({"params": {name: data[name] for name in ("qkv", "out")}})
    model, cost = Model(layers), GeneralizedCost(SoftmaxCrossEntropy())
    model.initialize(sizes.steps, cost)
    optimizer = GradientDescentMomentum(RATE, MOMENTUM)
    targets = np.eye(sizes.letters, dtype=np.float32)[:, data["t"].ravel()]
    x, t = be.array(data["x"]), be.array(targets)
    loss, logits = be.zeros((1, 1)), model.layers.layers[-1].outputs
    mean = be.mean(cost.costfunc(logits, t))

    def step() -> None:
        y = model.fprop(x)
        loss[:] = mean
        model.bprop(cost.get_errors(y, t))
        optimizer.optimize(model.layers_to_optimize, epoch=0)

    return step, lambda: [loss.get()]


def torch(device: str, sizes: Sizes, data: Data) -> Built:
    """torch.nn with its own fused attention."""
    import torch as th
    from torch import nn
    from torch.nn import functional as f

    width, heads = sizes.width, sizes.heads

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(sizes.letters, width)
            self.norms = nn.ModuleList(nn.LayerNorm(width, EPSILON) for _ in range(3))
            self.qkv = nn.Linear(width, 3 * width, bias=False)
            self.out = nn.Linear(width, width, bias=False)
            self.up = nn.Linear(width, 4 * width, bias=False)
            self.down = nn.Linear(4 * width, width, bias=False)
            self.classes = nn.Linear(width, sizes.letters, bias=False)

        def forward(self, ids: Any) -> Any:
            x = self.table(ids)  # (N, T, F)
            n, steps, _ = x.shape
            parts = self.qkv(self.norms[0](x)).reshape(n, steps, 3, heads, -1)
            q, k, v = parts.permute(2, 0, 3, 1, 4)
            seen = f.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(seen.transpose(1, 2).reshape(n, steps, width))
            x = x + self.down(f.gelu(self.up(self.norms[1](x)), approximate="tanh"))
            return self.classes(self.norms[2](x))

    model = Block().to(device)
    with th.no_grad():
        for name in ("table", "qkv", "out", "up", "down", "classes"):
            getattr(model, name).weight.copy_(th.from_numpy(data[name]))
    ids = th.from_numpy(data["x"].T.astype(np.int64)).to(device)
    labels = th.from_numpy(data["t"].T.copy()).to(device).reshape(-1)
    optimizer = th.optim.SGD(model.parameters(), RATE, MOMENTUM, foreach=True)
    last = th.zeros((1, 1), device=device)

    def step() -> None:
        optimizer.zero_grad(set_to_none=False)
        loss = f.cross_entropy(model(ids).reshape(-1, sizes.letters), labels)
        (loss * sizes.steps).backward()  # neon's sum over the steps
        optimizer.step()
        last.copy_(loss.detach())

    return step, lambda: [last.cpu().numpy().copy()]


def jax(sizes: Sizes, data: Data) -> Built:
    """The whole step under jax.jit, its state given away."""
    import jax as j

    j.config.update("jax_platforms", "cpu")
    jnp, width, heads = j.numpy, sizes.width, sizes.heads
    ids, labels = jnp.asarray(data["x"].T.astype(np.int32)), jnp.asarray(data["t"].T)

    def norm(x: Any, gain: Any, bias: Any) -> Any:
        mean = x.mean(-1, keepdims=True)
        return (x - mean) * j.lax.rsqrt(x.var(-1, keepdims=True) + EPSILON) * gain + bias

    def loss_of(p: Any) -> Any:
        x = p["table"][ids]
        n, steps, _ = x.shape
        parts = (norm(x, *p["norm0"]) @ p["qkv"].T).reshape(n, steps, 3, heads, -1)
        q, k, v = (parts[:, :, i] for i in range(3))
        seen = j.nn.dot_product_attention(q, k, v, is_causal=True)
        x = x + seen.reshape(n, steps, width) @ p["out"].T
        x = x + j.nn.gelu(norm(x, *p["norm1"]) @ p["up"].T) @ p["down"].T
        logs = j.nn.log_softmax(norm(x, *p["norm2"]) @ p["classes"].T)
        loss = -jnp.take_along_axis(logs, labels[..., None], -1).mean()
        return loss * steps, loss

    def update(p: Any, velocity: Any) -> Any:
        gradients, loss = j.grad(loss_of, has_aux=True)(p)
        velocity = j.tree.map(lambda v, g: MOMENTUM * v - RATE * g, velocity, gradients)
        return j.tree.map(jnp.add, p, velocity), velocity, loss

    compiled = j.jit(update, donate_argnums=(0, 1))
    params: Any = {name: jnp.asarray(data[name]) for name in data if name not in "xt"}
    params |= {f"norm{i}": (jnp.ones(width), jnp.zeros(width)) for i in range(3)}
    state = {"now": (params, j.tree.map(jnp.zeros_like, params), jnp.zeros(()))}

    def step() -> None:
        p, velocity, _ = state["now"]
        state["now"] = j.block_until_ready(compiled(p, velocity))

    return step, lambda: [np.asarray(state["now"][2]).reshape(1, 1)]
