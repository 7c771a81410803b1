"""Networks that read characters, step by step: what ours, PyTorch's and JAX's steps are made of.

One-hot characters, a recurrent layer, an affine layer with softmax for each step, cross entropy,
momentum. PyTorch's GRU has another formula (its gate r acts behind the product with the weights):
it is timed, its numbers are not compared. A step of a sequence is column `t * batch + n`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

RATE, MOMENTUM = 1e-3, 0.9
GATES = {"LSTM": 4, "GRU": 3}
TORCH_ORDER = {"LSTM": [0, 1, 3, 2], "GRU": [0, 1, 2]}  # of i, f, o, g and r, z, g
Data = dict[str, np.ndarray]
Built = tuple[Callable[[], object], Callable[[], list[np.ndarray]]]


@dataclass(frozen=True)
class Characters:
    """Sizes of a network.

    Attributes:
        kind: LSTM or GRU.
        features: different characters.
        units: of the recurrent layer.
        steps, batch: of a minibatch.
    """

    kind: str
    features: int = 65
    units: int = 128
    steps: int = 64
    batch: int = 64

    @property
    def columns(self) -> int:
        """Of all steps."""
        return self.steps * self.batch

    def operations(self) -> float:
        """Floating point operations of the products of a step."""
        gates = GATES[self.kind] * self.units
        # forward and weight gradients of all, gradients of the states
        each = 2 * gates * self.features + 3 * gates * self.units + 3 * self.units * self.features
        return 2.0 * self.columns * each

    def data(self) -> Data:
        """Fresh characters, those that follow, and weights."""
        rng = np.random.default_rng()
        letters = np.eye(self.features, dtype=np.float32)
        gates = GATES[self.kind] * self.units
        sizes = {
            "w_input": (gates, self.features), "w_recur": (gates, self.units), "b": (gates, 1),
            "w_out": (self.features, self.units),
        }  # fmt: skip
        weights = {k: (rng.normal(size=s) * 0.08).astype(np.float32) for k, s in sizes.items()}
        x, t = (letters[:, rng.integers(self.features, size=self.columns)] for _ in range(2))
        return {"x": x, "t": t, **weights}


def ours_characters(be: Any, size: Characters, data: Data) -> Built:
    """Layers of neon, a model, momentum."""
    from neonport.initializers import Array
    from neonport.layers import GRU, LSTM, Affine, GeneralizedCost
    from neonport.models import Model
    from neonport.optimizers import GradientDescentMomentum
    from neonport.transforms import CrossEntropyMulti, Logistic, Softmax, Tanh

    x, t = be.array(data["x"]), be.array(data["t"])
    # one matrix, each part of it row by row
    rows = [data[name].reshape(-1, len(data["b"])) for name in ("w_input", "w_recur", "b")]
    layer = {"LSTM": LSTM, "GRU": GRU}[size.kind](
        size.units, np.concatenate(rows), activation=Tanh(), gate_activation=Logistic(),
        reset_cells=True,
    )  # fmt: skip
    out = Affine(size.features, Array(data["w_out"]), activation=Softmax())
    model = Model([layer, out])
    cost = GeneralizedCost(CrossEntropyMulti())
    model.initialize((size.features, size.steps), cost)
    optimizer = GradientDescentMomentum(RATE, MOMENTUM)

    def step() -> None:
        y = model.fprop(x)
        model.bprop(cost.get_errors(y, t))
        optimizer.optimize(model.layers_to_optimize, epoch=0)

    def parameters() -> list[np.ndarray]:
        weights = model.layers_to_optimize[-1].W
        return [p.get() for p in (layer.W_input, layer.W_recur, layer.b, weights)]

    return step, parameters


def torch_characters(device: str, size: Characters, data: Data) -> Built:
    """The same with torch.nn."""
    import torch

    order = TORCH_ORDER[size.kind]

    def turned(name: str, blocks: list[int]) -> torch.Tensor:
        parts = data[name].reshape(len(blocks), size.units, -1)[blocks]
        return torch.from_numpy(parts.reshape(len(data[name]), -1).copy())

    net = getattr(torch.nn, size.kind)(size.features, size.units)
    out = torch.nn.Linear(size.units, size.features, bias=False)
    with torch.no_grad():
        net.weight_ih_l0.copy_(turned("w_input", order))
        net.weight_hh_l0.copy_(turned("w_recur", order))
        net.bias_ih_l0.copy_(turned("b", order)[:, 0])
        net.bias_hh_l0.zero_()
        out.weight.copy_(torch.from_numpy(data["w_out"]))
    net.bias_hh_l0.requires_grad_(False)
    net, out = net.to(device), out.to(device)
    x = torch.from_numpy(data["x"].T.reshape(size.steps, size.batch, -1).copy()).to(device)
    labels = torch.from_numpy(data["t"].argmax(0)).to(device)
    params = [p for module in (net, out) for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(params, RATE, MOMENTUM, foreach=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=False)
        h, _ = net(x)
        scores = out(h.reshape(size.columns, -1))
        loss = torch.nn.functional.cross_entropy(scores, labels, reduction="sum")
        (loss / size.batch).backward()
        optimizer.step()

    def parameters() -> list[np.ndarray]:
        if size.kind == "GRU":
            return []
        back = np.argsort(order)
        found = [net.weight_ih_l0, net.weight_hh_l0, net.bias_ih_l0]
        arrays = [p.detach().cpu().numpy().reshape(len(order), size.units, -1) for p in found]
        return [*(a[back] for a in arrays), out.weight.detach().cpu().numpy()]

    return step, parameters


def jax_characters(size: Characters, data: Data) -> Built:
    """The same in jax.numpy: one product for the inputs, `lax.scan` over the steps, one jit."""
    import jax

    jax.config.update("jax_platforms", "cpu")
    jnp, n = jax.numpy, size.units
    names = ("w_input", "w_recur", "b", "w_out")
    x = jnp.asarray(data["x"].T)
    labels = jnp.asarray(data["t"].T)

    def cell(w: Any) -> Callable[[Any, Any], Any]:
        def lstm(state: Any, z: Any) -> Any:
            h, c = state
            a = z + h @ w.T
            i, f, o = (jax.nn.sigmoid(a[:, k * n : (k + 1) * n]) for k in range(3))
            c = f * c + i * jnp.tanh(a[:, 3 * n :])
            h = o * jnp.tanh(c)
            return (h, c), h

        def gru(state: Any, z: Any) -> Any:
            h, _ = state
            both = jax.nn.sigmoid(z[:, : 2 * n] + h @ w[: 2 * n].T)
            r, update = both[:, :n], both[:, n:]
            g = jnp.tanh(z[:, 2 * n :] + (r * h) @ w[2 * n :].T)
            h = (1 - update) * h + update * g
            return (h, h), h

        return {"LSTM": lstm, "GRU": gru}[size.kind]

    def loss(params: Any) -> Any:
        z = (x @ params["w_input"].T + params["b"].T).reshape(size.steps, size.batch, -1)
        zeros = jnp.zeros((size.batch, n), jnp.float32)
        _, h = jax.lax.scan(cell(params["w_recur"]), (zeros, zeros), z)
        scores = h.reshape(size.columns, n) @ params["w_out"].T
        return -jnp.sum(labels * jax.nn.log_softmax(scores)) / size.batch

    def update(params: Any, speed: Any) -> Any:
        grads = jax.grad(loss)(params)
        speed = {k: MOMENTUM * speed[k] - RATE * grads[k] for k in names}
        return {k: params[k] + speed[k] for k in names}, speed

    compiled = jax.jit(update, donate_argnums=(0, 1))
    state = {k: jnp.asarray(data[k].copy()) for k in names}
    held = [state, {k: jnp.zeros_like(v) for k, v in state.items()}]

    def step() -> None:
        held[:] = jax.block_until_ready(compiled(*held))

    return step, lambda: [np.asarray(held[0][k]) for k in names]
