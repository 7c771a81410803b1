"""Networks whose training steps are timed: what ours and PyTorch's are made of.

A network is a name, data, and two builders of a step: each takes the same weights and data and
gives (step, arrays to compare: parameters, or the loss of the last step). To add one, write
`ours_...` and `torch_...` and a row of `networks`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks import images, transformer
from benchmarks.images_jax import jax_images
from benchmarks.images_ours import ours_images
from benchmarks.images_torch import torch_images
from benchmarks.sequences import (
    Characters,
    jax_characters,
    ours_characters,
    torch_characters,
)

RATE, MOMENTUM = 0.1, 0.9
Data = dict[str, np.ndarray]
Built = tuple[Callable[[], object], Callable[[], list[np.ndarray]]]


@dataclass(frozen=True)
class Network:
    """A training step.

    Attributes:
        name: what is printed.
        batch: samples a step.
        operations: floating point operations of a step, the products alone.
        data: makes fresh inputs, one-hot targets and weights.
        ours: makes our step on a backend.
        torch: makes PyTorch's step on a device.
        jax: makes the step under jax.jit, on the processor; None where there is none.
    """

    name: str
    batch: int
    operations: float
    data: Callable[[], Data]
    ours: Callable[[Any, Data], Built]
    torch: Callable[[str, Data], Built]
    jax: Callable[[Data], Built] | None = None


FEATURES, HIDDEN, CLASSES = 784, 100, 10


def mlp_data(batch: int) -> Data:
    """Fresh inputs, one-hot targets, and weights of two layers, features first."""
    rng = np.random.default_rng()
    labels = rng.integers(CLASSES, size=batch)
    return {
        "x": rng.normal(size=(FEATURES, batch)).astype(np.float32),
        "t": np.eye(CLASSES, dtype=np.float32)[:, labels],
        "w1": (rng.normal(size=(HIDDEN, FEATURES)) * 0.05).astype(np.float32),
        "w2": (rng.normal(size=(CLASSES, HIDDEN)) * 0.05).astype(np.float32),
    }


def ours_mlp(be: Any, data: Data) -> Built:
    """Two affine layers with rectifier and softmax, cross entropy, momentum."""
    from neonport.initializers import Array
    from neonport.layers import Affine, GeneralizedCost
    from neonport.models import Model
    from neonport.optimizers import GradientDescentMomentum
    from neonport.transforms import CrossEntropyMulti, Rectlin, Softmax

    x, t = be.array(data["x"]), be.array(data["t"])
    layers = [
        Affine(HIDDEN, Array(data["w1"]), activation=Rectlin()),
        Affine(CLASSES, Array(data["w2"]), activation=Softmax()),
    ]
    model = Model(layers)
    cost = GeneralizedCost(CrossEntropyMulti())
    model.initialize(FEATURES, cost)
    optimizer = GradientDescentMomentum(RATE, MOMENTUM)

    def step() -> None:
        y = model.fprop(x)
        model.bprop(cost.get_errors(y, t))
        optimizer.optimize(model.layers_to_optimize, epoch=0)

    def parameters() -> list[np.ndarray]:
        return [p.get() for layer in model.layers_to_optimize for p in _weights(layer)]

    return step, parameters


def _weights(layer: Any) -> list[Any]:
    found = layer.get_params()
    return [pair[0][0] for pair in (found if isinstance(found, list) else [found])]


def torch_mlp(device: str, data: Data) -> Built:
    """The same with torch.nn."""
    import torch

    first = torch.nn.Linear(FEATURES, HIDDEN, bias=False)
    second = torch.nn.Linear(HIDDEN, CLASSES, bias=False)
    with torch.no_grad():
        first.weight.copy_(torch.from_numpy(data["w1"]))
        second.weight.copy_(torch.from_numpy(data["w2"]))
    model = torch.nn.Sequential(first, torch.nn.ReLU(), second).to(device)
    x = torch.from_numpy(data["x"].T.copy()).to(device)
    labels = torch.from_numpy(data["t"].argmax(0)).to(device)
    loss = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), RATE, MOMENTUM, foreach=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=False)
        loss(model(x), labels).backward()
        optimizer.step()

    return step, lambda: [p.detach().cpu().numpy() for p in model.parameters()]


def jax_mlp(data: Data) -> Built:
    """The same under one `jax.jit`."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_platforms", "cpu")

    def cost(weights: tuple[Any, Any], x: Any, t: Any) -> Any:
        scores = weights[1] @ jnp.maximum(weights[0] @ x, 0)
        return -jnp.sum(jax.nn.log_softmax(scores, axis=0) * t) / x.shape[1]

    def update(state: Any, x: Any, t: Any) -> Any:
        weights, speeds = state
        slopes = jax.grad(cost)(weights, x, t)
        speeds = tuple(MOMENTUM * v - RATE * g for v, g in zip(speeds, slopes, strict=True))
        return tuple(w + v for w, v in zip(weights, speeds, strict=True)), speeds

    weights = tuple(jax.device_put(data[name]) for name in ("w1", "w2"))
    x, t = jax.device_put(data["x"]), jax.device_put(data["t"])
    step_of = jax.jit(update, donate_argnums=0)
    held = [(weights, tuple(jnp.zeros_like(w) for w in weights))]

    def step() -> None:
        held[0] = jax.block_until_ready(step_of(held[0], x, t))

    return step, lambda: [np.asarray(w) for w in held[0][0]]


def networks(tiny: bool = False) -> list[Network]:
    """All networks; `tiny` ones have few and small samples, for emulated devices."""
    batch = 8 if tiny else 128
    # forward and weight gradient of both layers, and the input gradient of the second
    operations = 2.0 * batch * HIDDEN * (2 * FEATURES + 3 * CLASSES)
    mlp = Network(
        f"MLP 784-100-10, batch {batch}, momentum", batch, operations, partial(mlp_data, batch),
        ours_mlp, torch_mlp, jax_mlp,
    )  # fmt: skip
    pictures = [_pictures("conv", images.conv(tiny)), _pictures("vgg", images.vgg(tiny))]
    sizes = {"features": 9, "units": 8, "steps": 3, "batch": 4} if tiny else {}
    characters = [_characters(Characters(kind, **sizes)) for kind in ("LSTM", "GRU")]
    letters = _letters(transformer.Sizes(2, 8, 8, 2) if tiny else transformer.Sizes())
    return [mlp, *pictures, *characters, letters]


def _characters(size: Characters) -> Network:
    name = f"{size.kind} {size.features}-{size.units}, {size.steps} steps"
    return Network(
        f"{name}, batch {size.batch}, momentum", size.batch, size.operations(), size.data,
        lambda be, data: ours_characters(be, size, data),
        lambda device, data: torch_characters(device, size, data),
        lambda data: jax_characters(size, data),
    )  # fmt: skip


def _letters(sizes: transformer.Sizes) -> Network:
    return Network(
        sizes.name, sizes.batch, sizes.operations(), sizes.data,
        lambda be, data: transformer.ours(be, sizes, data),
        lambda device, data: transformer.torch(device, sizes, data),
        lambda data: transformer.jax(sizes, data),
    )  # fmt: skip


def _pictures(name: str, made_of: images.Images) -> Network:
    size = f"{made_of.cells}x{made_of.cells}x3"
    return Network(
        f"{name}, {size}, batch {made_of.batch}, momentum", made_of.batch, made_of.operations(),
        made_of.data, lambda be, data: ours_images(be, made_of, data),
        lambda device, data: torch_images(device, made_of, data),
        lambda data: jax_images(made_of, data),
    )  # fmt: skip
